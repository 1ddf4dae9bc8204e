package translate

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

func socketAddress(a netip.AddrPort) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: socket(a)}}
}

func socket(a netip.AddrPort) *corev3.SocketAddress {
	return &corev3.SocketAddress{
		Address:       a.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(a.Port())},
	}
}

// anyAddress takes the connections of both families to a port.
func anyAddress(port uint16) *corev3.Address {
	s := socket(netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	s.Ipv4Compat = true
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: s}}
}
