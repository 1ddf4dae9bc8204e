//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"outrigger.dev/outrigger/deploy/netns"
)

// ShellConfig says what Shell becomes.
type ShellConfig struct {
	// Dir is the lab's folder, Pod the name of a pod.
	Dir, Pod string
	// User is the id of the user and of the group. 0: root.
	User int
	// Command is what runs. Empty: a shell.
	Command []string
}

// Shell turns the calling process into a command in a pod of a lab that runs. It returns only when that fails.
func Shell(c ShellConfig) error {
	if os.Geteuid() != 0 {
		return ErrNoRoot
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	c.Dir = dir
	s, err := readState(dir)
	if err != nil {
		return err
	}
	command, path, err := c.command()
	if err != nil {
		return err
	}
	for _, p := range s.Pods {
		if p.Name == c.Pod {
			return c.become(p, path, command)
		}
	}
	return fmt.Errorf("the lab has no pod %q, but %s", c.Pod, strings.Join(s.names(), ", "))
}

func (s state) names() []string {
	names := make([]string, len(s.Pods))
	for i, p := range s.Pods {
		names[i] = p.Name
	}
	return names
}

// command returns the command and the path of its program.
func (c ShellConfig) command() (command []string, path string, err error) {
	command = c.Command
	if len(command) == 0 {
		command = []string{"/bin/sh"}
		if own := os.Getenv("SHELL"); own != "" {
			command[0] = own
		}
	}
	path, err = exec.LookPath(command[0])
	return command, path, err
}

// become changes one thread, which is all that is left of the process then.
func (c ShellConfig) become(p podState, path string, command []string) error {
	runtime.LockOSThread() // For good.
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		return err
	}
	if err := ns.Enter(); err != nil {
		return err
	}
	f := folder{dir: c.Dir}
	if err := useHosts(f.hosts()); err != nil {
		return fmt.Errorf("the names of the pods: %w", err)
	}
	if err := becomeUser(c.User); err != nil {
		return fmt.Errorf("user %d: %w", c.User, err)
	}
	env := append(os.Environ(), "OUTRIGGER_DATA_DIR="+f.data(), "OUTRIGGER_LAB_POD="+p.Name, "PS1=["+p.Name+"] \\$ ")
	return os.NewSyscallError("exec "+path, syscall.Exec(path, command, env))
}

// useHosts puts the lab's names where programs look for names, for this process alone.
func useHosts(file string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount /", err)
	}
	return os.NewSyscallError("mount /etc/hosts", unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, ""))
}

func becomeUser(id int) error {
	if id == 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(id); err != nil {
		return err
	}
	return syscall.Setuid(id)
}
