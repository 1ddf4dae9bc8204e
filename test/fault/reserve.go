package fault

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// reservation is a port that stays ours while nobody listens on it: a socket is
// bound to it and does not listen, so that connections are refused, and the
// kernel gives the port to nobody else.
type reservation struct {
	fd int
	at netip.AddrPort
}

// reserve takes an IPv4 address and port; port 0 is any.
func reserve(address string) (*reservation, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	if !at.Addr().Is4() {
		return nil, fmt.Errorf("%s: only IPv4 can be reserved", address)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	r := &reservation{fd: fd, at: at}
	if err := r.bind(); err != nil {
		r.close()
		return nil, fmt.Errorf("binding %s: %w", address, err)
	}
	return r, nil
}

func (r *reservation) bind() error {
	// As the listener has it, too: only so can both be bound.
	if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(r.fd, &unix.SockaddrInet4{Addr: r.at.Addr().As4(), Port: int(r.at.Port())}); err != nil {
		return err
	}
	bound, err := unix.Getsockname(r.fd)
	if err != nil {
		return err
	}
	if ip4, ok := bound.(*unix.SockaddrInet4); ok {
		r.at = netip.AddrPortFrom(r.at.Addr(), uint16(ip4.Port))
	}
	return nil
}

func (r *reservation) listen() (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", r.at.String())
}

func (r *reservation) close() error { return unix.Close(r.fd) }
