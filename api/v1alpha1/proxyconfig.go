package v1alpha1

import "net/netip"

// defaultHost is where listeners of applications and of egress are bound unless the object says otherwise.
const defaultHost IPAddress = "127.0.0.1"

// Bind returns what the listener binds, with the default address; false when address or port are out of range.
func (l *EgressListener) Bind() (netip.AddrPort, bool) {
	return join(l.Address, l.Port)
}

// Target returns where the application listens, with the defaults; false when address or port are out of range.
func (l *IngressListener) Target() (netip.AddrPort, bool) {
	if l.TargetPort == 0 {
		return join(l.TargetAddress, l.Port)
	}
	return join(l.TargetAddress, l.TargetPort)
}

func join(address IPAddress, port PortNumber) (netip.AddrPort, bool) {
	if address == "" {
		address = defaultHost
	}
	addr, ok := address.Parse()
	return netip.AddrPortFrom(addr, uint16(port)), ok && port > 0 && port <= 65535
}
