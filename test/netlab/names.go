package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// MuteNames lets no name server answer the pod: what it asks one, arrives, and nothing comes back.
func (p *Pod) MuteNames(tb testing.TB) {
	tb.Helper()
	servers, err := nameServers()
	if err != nil {
		tb.Fatal(err)
	}
	for _, server := range servers {
		conn, err := p.silent(tb.Context(), server)
		if err != nil {
			tb.Fatalf("a name server at %s that says nothing: %v", server, err)
		}
		tb.Cleanup(func() {
			if err := conn.Close(); err != nil {
				tb.Error(err)
			}
		})
	}
}

// silent makes an address the pod's own, and takes what comes to its port for names.
func (p *Pod) silent(ctx context.Context, server netip.Addr) (conn net.PacketConn, err error) {
	err = p.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		own := &net.IPNet{IP: server.AsSlice(), Mask: net.CIDRMask(server.BitLen(), server.BitLen())}
		if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: own}); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		conn, err = new(net.ListenConfig).ListenPacket(ctx, "udp", netip.AddrPortFrom(server, 53).String())
		return err
	})
	return conn, err
}

// nameServers are those that programs of this machine ask.
func nameServers() ([]netip.Addr, error) {
	const path = "/etc/resolv.conf"
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var servers []netip.Addr
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		server, err := netip.ParseAddr(words[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		servers = append(servers, server.WithZone(""))
	}
	if len(servers) == 0 {
		servers = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	return servers, nil
}
