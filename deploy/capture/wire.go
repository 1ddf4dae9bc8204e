package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"outrigger.dev/outrigger/deploy/netns"
)

// wireName is the link that the namespace has while it is checked.
const wireName = "outrigger-check"

// family is one of the two, with the addresses at the ends of the wire. They are kept for documentation, so
// that nothing real has them.
type family struct {
	name      string
	here      netip.Prefix
	peer      netip.Prefix
	appSource netip.Addr
}

func families() []family {
	return []family{
		{"ipv4", netip.MustParsePrefix("192.0.2.1/30"), netip.MustParsePrefix("192.0.2.2/30"), loopSourceV4},
		{"ipv6", netip.MustParsePrefix("2001:db8::1/126"), netip.MustParsePrefix("2001:db8::2/126"), loopSourceV6},
	}
}

// wire joins the namespace to another one that is made for it, so that there is somebody outside. The kernel takes it away when
// the other namespace is gone, at the latest with this process.
type wire struct {
	outside   *netns.Namespace
	listeners []net.Listener
	link      netlink.Link
	handle    *netlink.Handle
}

// layWire makes a wire with the addresses of the families.
func layWire(ctx context.Context, families []family) (*wire, error) {
	outside, err := netns.New()
	if err != nil {
		return nil, err
	}
	w := &wire{outside: outside}
	if err := w.connect(ctx, families); err != nil {
		return nil, errors.Join(fmt.Errorf("a link for the check: %w", err), w.close())
	}
	return w, nil
}

func (w *wire) connect(ctx context.Context, families []family) (err error) {
	if w.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = wireName
	link := &netlink.Veth{LinkAttrs: attributes, PeerName: wireName, PeerNamespace: netlink.NsFd(w.outside.FD())}
	if err := w.handle.LinkAdd(link); err != nil {
		return err
	}
	w.link = link
	var here, there []netip.Prefix
	for _, f := range families {
		here, there = append(here, f.here), append(there, f.peer)
	}
	if err := up(w.handle, here); err != nil {
		return err
	}
	err = w.outside.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		return errors.Join(up(h, there), await(ctx, h, there))
	})
	return errors.Join(err, await(ctx, w.handle, here))
}

// await waits until the kernel, which sets up a link in the background, knows addresses for its own.
func await(ctx context.Context, h *netlink.Handle, addresses []netip.Prefix) error {
	ctx, cancel := context.WithTimeout(ctx, arriveLimit)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for _, a := range addresses {
		for !isOwn(h, a.Addr()) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("address %s is not in use after %s", a, arriveLimit)
			}
		}
	}
	return nil
}

func isOwn(h *netlink.Handle, address netip.Addr) bool {
	routes, err := h.RouteGet(address.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}

// up gives an end of the wire its addresses. Nobody else can have them, so that nobody is asked.
func up(h *netlink.Handle, addresses []netip.Prefix) error {
	link, err := h.LinkByName(wireName)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		address, err := netlink.ParseAddr(a.String())
		if err != nil {
			return err
		}
		if a.Addr().Is6() {
			address.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(link, address); err != nil {
			return fmt.Errorf("address %s: %w", a, err)
		}
	}
	return h.LinkSetUp(link)
}

// listen holds a port of this namespace. One that is in use is the proxy's.
func (w *wire) listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	w.listeners = append(w.listeners, listener)
	return listener, nil
}

// listenOutside holds a port at the other end of the wire.
func (w *wire) listenOutside(ctx context.Context, port uint16) error {
	return w.outside.Do(func() error {
		_, err := w.listen(ctx, net.JoinHostPort("", strconv.Itoa(int(port))))
		return err
	})
}

// close takes the link away at once: the kernel takes its time with a namespace.
func (w *wire) close() error {
	var errs []error
	for _, l := range w.listeners {
		errs = append(errs, l.Close())
	}
	if w.link != nil {
		errs = append(errs, w.handle.LinkDel(w.link))
	}
	if w.handle != nil {
		w.handle.Close()
	}
	return errors.Join(append(errs, w.outside.Close())...)
}

var errNoUsers = errors.New("CAP_SETUID is needed to connect as another user")

// asUser runs f on the calling thread as a user: the kernel gives a socket to whom it takes for the user of files.
func asUser(uid uint32, f func() error) error {
	own := os.Geteuid()
	if int(uid) == own {
		return f()
	}
	if err := setUser(int(uid)); err != nil {
		return err
	}
	return errors.Join(f(), setUser(own))
}

// setUser asks twice, because the kernel answers with the user that was, and with no error.
func setUser(uid int) error {
	for range 2 {
		was, err := unix.SetfsuidRetUid(uid)
		if err != nil {
			return err
		}
		if was == uid {
			return nil
		}
	}
	return errNoUsers
}
