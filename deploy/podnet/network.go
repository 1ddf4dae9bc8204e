package podnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"outrigger.dev/outrigger/deploy/netns"
)

const (
	bridgeName = "pods"
	podLink    = "eth0"
	// maxPods is what the IPv4 addresses suffice for.
	maxPods = 253
)

var (
	prefixV4 = netip.MustParsePrefix("10.77.0.0/24")
	prefixV6 = netip.MustParsePrefix("fd77::/64")
)

// Network is a node with its pods. Its methods may be called from several goroutines.
type Network struct {
	node   *Pod
	bridge int // the index of the bridge's link in the node

	mu   sync.Mutex
	pods []*Pod
}

// New makes a network of a node without pods. Close must be called in the end.
func New() (*Network, error) {
	node, err := newPod("node", 1)
	if err != nil {
		return nil, err
	}
	n := &Network{node: node}
	if err := node.configure(n.addBridge); err != nil {
		return nil, errors.Join(fmt.Errorf("the node: %w", err), node.close())
	}
	return n, nil
}

// Node is the node: what it sends to a pod comes from outside of it, as a kubelet's probes do.
func (n *Network) Node() *Pod { return n.node }

// Add makes a pod and joins it to the others, which takes some milliseconds, and is given up when ctx ends.
func (n *Network) Add(ctx context.Context, name string) (*Pod, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pods) == maxPods {
		return nil, fmt.Errorf("pod %s: a network has at most %d pods", name, maxPods)
	}
	pod, err := newPod(name, byte(len(n.pods)+2))
	if err != nil {
		return nil, err
	}
	if err := n.join(ctx, pod); err != nil {
		return nil, errors.Join(fmt.Errorf("pod %s: %w", name, err), pod.close())
	}
	n.pods = append(n.pods, pod)
	return pod, nil
}

// join lays a cable from the bridge to the pod.
func (n *Network) join(ctx context.Context, pod *Pod) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = fmt.Sprintf("pod%d", len(n.pods))
	attributes.MasterIndex = n.bridge
	cable := &netlink.Veth{LinkAttrs: attributes, PeerName: podLink, PeerNamespace: netlink.NsFd(pod.ns.FD())}
	err := n.node.configure(func(h *netlink.Handle) error {
		return errors.Join(h.LinkAdd(cable), h.LinkSetUp(cable))
	})
	if err != nil {
		return fmt.Errorf("the cable to the bridge: %w", err)
	}
	if err := pod.configure(func(h *netlink.Handle) error { return pod.plug(h, n.node) }); err != nil {
		return err
	}
	return pod.awaitLink(ctx, n.node)
}

// addBridge makes the node's part of the network.
func (n *Network) addBridge(h *netlink.Handle) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = bridgeName
	// Without one of its own, it takes the lowest of its pods' and so changes it with them, which the pods would learn late.
	attributes.HardwareAddr = net.HardwareAddr{0x02, 0, 0, 0, 0, 1}
	bridge := &netlink.Bridge{LinkAttrs: attributes}
	if err := h.LinkAdd(bridge); err != nil {
		return fmt.Errorf("the bridge: %w", err)
	}
	n.bridge = bridge.Attrs().Index
	if err := errors.Join(askSoon(bridgeName), n.node.up(h, bridge)); err != nil {
		return err
	}
	// A router says at once that it knows no way, where another host would say nothing.
	return errors.Join(setting("ipv4/ip_forward", "1"), setting("ipv6/conf/all/forwarding", "1"))
}

// askSoon lets a link ask again for the neighbour of an address after some milliseconds. The kernel's one second
// is for networks that are slow; here a question is lost only while a cable is being plugged in.
func askSoon(link string) error {
	return errors.Join(
		setting("ipv4/neigh/"+link+"/retrans_time_ms", "10"), setting("ipv6/neigh/"+link+"/retrans_time_ms", "10"),
	)
}

// setting sets one of the kernel's in the namespace of the calling thread.
func setting(name, value string) error {
	return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644)
}

// Close gives all namespaces back. What runs in them should have ended before.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	errs := []error{n.node.close()}
	for _, pod := range n.pods {
		errs = append(errs, pod.close())
	}
	return errors.Join(errs...)
}

// newPod makes a pod that is not joined to anything.
func newPod(name string, host byte) (*Pod, error) {
	ns, err := netns.New()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v4, v6 := prefixV4.Addr().As4(), prefixV6.Addr().As16()
	v4[3], v6[15] = host, host
	p := &Pod{Name: name, IPv4: netip.AddrFrom4(v4), IPv6: netip.AddrFrom16(v6), ns: ns}
	err = p.configure(func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		// That all addresses are free is known: nobody has to be asked, which takes a second. This is for those that the kernel makes.
		return errors.Join(setting("ipv6/conf/default/accept_dad", "0"), h.LinkSetUp(lo))
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: loopback: %w", name, err), ns.Close())
	}
	return p, nil
}

// configure speaks to the kernel in the pod's namespace.
func (p *Pod) configure(f func(*netlink.Handle) error) error {
	return p.ns.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		return f(h)
	})
}

// plug sets up the pod's end of its cable.
func (p *Pod) plug(h *netlink.Handle, node *Pod) error {
	link, err := h.LinkByName(podLink)
	if err != nil {
		return err
	}
	if err := errors.Join(askSoon(podLink), p.up(h, link)); err != nil {
		return err
	}
	for _, router := range []netip.Addr{node.IPv4, node.IPv6} {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: router.AsSlice()}
		if err := h.RouteAdd(route); err != nil {
			return fmt.Errorf("route to %s: %w", router, err)
		}
	}
	return nil
}

// up gives a link the pod's addresses.
func (p *Pod) up(h *netlink.Handle, link netlink.Link) error {
	for _, a := range []netip.Prefix{
		netip.PrefixFrom(p.IPv4, prefixV4.Bits()), netip.PrefixFrom(p.IPv6, prefixV6.Bits()),
	} {
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
