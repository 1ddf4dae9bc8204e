package bootstrap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// maxSocketPath is how long the path of a Unix socket may be, in bytes.
const maxSocketPath = 107

// address is one place to listen or to connect to: a Unix socket, or a host
// and a port. The zero ip is a DNS name.
type address struct {
	socket string
	host   string
	ip     netip.Addr
	port   uint16
}

// parseHostPort reads "host:port". Everything about its host is for the caller to judge.
func parseHostPort(field, text string) (address, error) {
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return address{}, fmt.Errorf(`%s %.300q: want "host:port", an IPv6 host in brackets`, field, text)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return address{}, fmt.Errorf("%s %.300q: port %.64q: want a number from 1 to 65535", field, text, portText)
	}
	a := address{host: host, port: uint16(port)}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return address{}, fmt.Errorf("%s %.300q: an address with a zone means nothing to Envoy; name a global address", field, text)
		}
		a.ip = ip.Unmap()
		a.host = a.ip.String()
	}
	return a, nil
}

// parseServers reads the addresses of all replicas, each of them once.
func parseServers(texts []string) ([]address, error) {
	var servers []address
	var errs []error
	for _, text := range texts {
		a, err := parseServer(text)
		if err == nil && slices.Contains(servers, a) {
			err = fmt.Errorf("server %q: it is named twice", text)
		}
		servers, errs = append(servers, a), append(errs, err)
	}
	return servers, errors.Join(errs...)
}

func parseServer(text string) (address, error) {
	a, err := parseHostPort("server", text)
	if err != nil {
		return address{}, err
	}
	if !a.ip.IsValid() {
		return a, checkSubdomain("server: host", a.host)
	}
	if a.ip.IsUnspecified() || a.ip.IsMulticast() {
		return address{}, fmt.Errorf("server %q: nobody can connect to %s; name an address of the control plane", text, a.ip)
	}
	return a, nil
}

// parseListener reads where to listen; nil is nowhere.
func parseListener(field, text string) (*address, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // No address is no listener, and no error.
	}
	a, err := parseHostPort(field, text)
	if err != nil {
		return nil, err
	}
	if !a.ip.IsValid() || a.ip.IsMulticast() {
		return nil, fmt.Errorf("%s %.300q: want an IP address of this machine to listen on", field, text)
	}
	return &a, nil
}

func parseAdmin(text, dir string) (address, error) {
	if text == "" {
		text = filepath.Join(dir, adminSocket)
	}
	if filepath.IsAbs(text) {
		if len(text) > maxSocketPath {
			return address{}, fmt.Errorf("admin socket %q: a path of %d bytes, a Unix socket's has at most %d; choose a shorter folder", text, len(text), maxSocketPath)
		}
		return address{socket: text}, nil
	}
	a, err := parseHostPort("admin", text)
	if err != nil {
		return address{}, err
	}
	if !a.ip.IsLoopback() {
		return address{}, fmt.Errorf("admin %.300q: whoever reaches it can stop the proxy; want a loopback address or the path of a Unix socket", text)
	}
	return a, nil
}

// proto is the address as Envoy spells it. A Unix socket is for its owner alone.
func (a address) proto() *corev3.Address {
	if a.socket != "" {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: a.socket, Mode: 0o600}}}
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       a.host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(a.port)},
		// "::" is every address, as it is for other servers.
		Ipv4Compat: a.ip == netip.IPv6Unspecified(),
	}}}
}
