package netlab

import (
	"context"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"outrigger.dev/outrigger/deploy/podnet"
	"outrigger.dev/outrigger/test/process"
)

// Pod is a pod or the node.
type Pod struct{ *podnet.Pod }

// DialAs connects from the pod as a user: the kernel takes the connection for that user's.
func (p *Pod) DialAs(ctx context.Context, uid int, address string) (net.Conn, error) {
	var conn net.Conn
	err := p.Do(func() error {
		return asUser(uid, func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
			return err
		})
	})
	return conn, err
}

// asUser runs f as a user on the calling thread, which Do keeps to this goroutine. A socket belongs to
// whom the kernel takes for the user of files when it is made.
func asUser(uid int, f func() error) error {
	was, err := unix.SetfsuidRetUid(uid)
	if err != nil {
		return err
	}
	err = f()
	if _, back := unix.SetfsuidRetUid(was); back != nil {
		return back
	}
	return err
}

// Silence lets no answer of the pod come to anybody by IPv4, as when its machine is gone: connections to it end in no way.
func (p *Pod) Silence() error {
	nowhere := netlink.NewRule()
	nowhere.Family, nowhere.Type, nowhere.Priority = unix.AF_INET, unix.RTN_BLACKHOLE, 1
	return p.Do(func() error { return netlink.RuleAdd(nowhere) })
}

// Place is the pod as a place where processes run, as a user and the group of the same number.
func (p *Pod) Place(uid uint32) process.Place {
	return process.Place{Around: p.Do, User: uid}
}
