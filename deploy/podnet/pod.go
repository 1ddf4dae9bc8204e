package podnet

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"syscall"

	"outrigger.dev/outrigger/deploy/netns"
)

// Pod is one network namespace: a pod, or the node. Its methods may be called from several goroutines.
type Pod struct {
	Name string
	// IPv4 and IPv6 are the addresses of its one link.
	IPv4, IPv6 netip.Addr

	ns *netns.Namespace
}

// Do runs f in the pod, as netns.Namespace.Do does.
func (p *Pod) Do(f func() error) error { return p.ns.Do(f) }

// Path leads other processes to the pod's network namespace while this one lives.
func (p *Pod) Path() string { return p.ns.Path() }

// Listen listens in the pod on an address without a name in it, such as "tcp", "[::]:80".
func (p *Pod) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var listener net.Listener
	err := p.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	return listener, err
}

// Dial connects from the pod to an address without a name in it.
func (p *Pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := p.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Run runs a command in the pod until its end. The command ends with this process, however that ends.
func (p *Pod) Run(cmd *exec.Cmd) error {
	// The kernel ends the command with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := p.Do(cmd.Start); err != nil {
		return err
	}
	return cmd.Wait()
}

func (p *Pod) close() error { return p.ns.Close() }
