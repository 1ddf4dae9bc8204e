package capture

import (
	"errors"
	"math"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addLoopSource puts ::6 on the loopback interface: all of 127.0.0.0/8 is there by itself, and of IPv6 only ::1.
// The address is deprecated from the start, so that nobody uses it without asking for it.
func addLoopSource() error {
	return onLoopback(func(h *netlink.Handle, lo netlink.Link) error {
		err := h.AddrReplace(lo, loopSource())
		if err != nil && hasNoIPv6() {
			return nil
		}
		return err
	})
}

func removeLoopSource() error {
	return onLoopback(func(h *netlink.Handle, lo netlink.Link) error {
		err := h.AddrDel(lo, loopSource())
		if errors.Is(err, unix.EADDRNOTAVAIL) || err != nil && hasNoIPv6() {
			return nil
		}
		return err
	})
}

// hasLoopSource reports whether ::6 is where the proxy can use it.
func hasLoopSource() (bool, error) {
	found := false
	err := onLoopback(func(h *netlink.Handle, lo netlink.Link) error {
		addresses, err := h.AddrList(lo, unix.AF_INET6)
		for _, a := range addresses {
			found = found || a.IP.Equal(loopSourceV6.AsSlice())
		}
		return err
	})
	return found, err
}

func loopSource() *netlink.Addr {
	return &netlink.Addr{
		IPNet:    &net.IPNet{IP: loopSourceV6.AsSlice(), Mask: net.CIDRMask(128, 128)},
		Flags:    unix.IFA_F_NODAD,
		ValidLft: math.MaxInt32, // Longer than any pod. The preferred lifetime is 0.
	}
}

func onLoopback(f func(*netlink.Handle, netlink.Link) error) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	return f(h, lo)
}

// hasNoIPv6 reports whether the kernel, or this namespace on its loopback interface, does without IPv6.
func hasNoIPv6() bool {
	text, err := os.ReadFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6")
	return errors.Is(err, os.ErrNotExist) || err == nil && text[0] == '1'
}
