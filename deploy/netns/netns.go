// Package netns makes and enters network namespaces that have no name: the kernel
// removes one when the last process, socket and file that belongs to it is gone,
// so that nothing is left behind by a crash.
//
// It imports the standard library and the kernel's interface, and nothing of ours.
// It never changes the namespace of a thread for longer than a call.
package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// own is the namespace of the calling thread.
const own = "/proc/thread-self/ns/net"

// Namespace is a network namespace. Its methods may be called from several goroutines.
type Namespace struct{ file *os.File }

// New makes a namespace with nothing in it but a loopback interface that is down.
// It needs CAP_SYS_ADMIN. Close gives it back.
func New() (*Namespace, error) {
	var ns *Namespace
	err := visit(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() error {
		var err error
		ns, err = Current()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	return ns, nil
}

// Current returns the namespace of the calling thread.
func Current() (*Namespace, error) { return Open(own) }

// Open returns the namespace that a path names, such as /proc/PID/ns/net or what Path returned.
func Open(path string) (*Namespace, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening a network namespace: %w", err)
	}
	return &Namespace{file: file}, nil
}

// Path leads other processes of the machine to the namespace while this process lives and has it open.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// FD is the file descriptor, for calls to the kernel that name a namespace. It is good until Close.
func (n *Namespace) FD() int { return int(n.file.Fd()) }

// Close gives the namespace back. Processes and sockets in it stay in it.
func (n *Namespace) Close() error { return n.file.Close() }

// Do runs f in the namespace, on the calling goroutine and on one thread. Sockets
// that f opens and processes that it starts belong to the namespace for good; goroutines that it starts do not.
func (n *Namespace) Do(f func() error) error {
	return visit(n.enter, f)
}

// Enter moves the calling thread into the namespace for good. The caller has locked its goroutine to
// the thread, and becomes another program or ends with it.
func (n *Namespace) Enter() error { return n.enter() }

func (n *Namespace) enter() error {
	if err := unix.Setns(n.FD(), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the network namespace: %w", err)
	}
	return nil
}

// visit runs f on a thread that enter moved to another namespace, and moves the thread back.
func visit(enter, f func() error) error {
	runtime.LockOSThread()
	home, err := Current()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := enter(); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := home.enter(); back != nil {
		// The thread stays locked, and so ends with its goroutine: nobody else may get it.
		return fmt.Errorf("leaving the network namespace: %w", back)
	}
	runtime.UnlockOSThread()
	return err
}
