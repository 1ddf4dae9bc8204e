package consul

import (
	"net/netip"
	"strconv"
	"strings"
)

// setAddress says where an instance is reached: at the address of the service, else that of its node; from another datacenter
// at their wan addresses where they have one. The tagged addresses of both families make it dual-stack.
func (r *reader) setAddress(i *instance, from *row) {
	text, port := from.Service.Address, from.Service.Port
	if text == "" {
		text = from.Node.Address
	}
	families := [...]string{taggedIPv4, taggedIPv6}
	if r.remote {
		text, port = wanAddress(from, text, port)
		families = [...]string{taggedWANIPv4, taggedWANIPv6}
	}
	if port > 0 && port <= 65535 {
		i.port = uint16(port)
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case err == nil && usable(addr):
		i.address = addr.Unmap()
	case err != nil && isHost(text):
		i.host = r.text(strings.ToLower(strings.TrimSuffix(text, ".")))
	default:
		i.fault = "its address " + strconv.Quote(text) + " is neither an IP address that can be reached nor a host name"
		return
	}
	for _, family := range families {
		r.addFamily(i, from, family)
	}
}

// wanAddress prefers what is reached from afar.
func wanAddress(from *row, text string, port int) (string, int) {
	if tagged, ok := from.Service.TaggedAddresses[taggedWAN]; ok && tagged.Address != "" {
		if tagged.Port > 0 {
			port = tagged.Port
		}
		return tagged.Address, port
	}
	if from.Service.Address == "" {
		if wan := from.Node.TaggedAddresses[taggedWAN]; wan != "" {
			return wan, port
		}
	}
	return text, port
}

// addFamily takes a tagged address of the family that the instance's own address is not of.
func (r *reader) addFamily(i *instance, from *row, tag string) {
	text := from.Service.TaggedAddresses[tag].Address
	if text == "" && from.Service.Address == "" {
		text = from.Node.TaggedAddresses[tag]
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !usable(addr) {
		return
	}
	if addr = addr.Unmap(); i.address.IsValid() && addr.Is4() != i.address.Is4() && !i.additional.IsValid() {
		i.additional = addr
	}
}

// usable reports whether an address can be one of a program.
func usable(addr netip.Addr) bool {
	return !addr.IsUnspecified() && !addr.IsMulticast() && addr.Zone() == ""
}

// maxHost is the longest name that DNS knows.
const maxHost = 253

// isHost reports whether a text can be resolved: labels of letters, digits, hyphens and underscores, of which one
// at least has a letter.
func isHost(text string) bool {
	text = strings.TrimSuffix(text, ".")
	if text == "" || len(text) > maxHost {
		return false
	}
	letter := false
	for part := range strings.SplitSeq(text, ".") {
		if part == "" || len(part) > maxLabel || part[0] == '-' || part[len(part)-1] == '-' {
			return false
		}
		for _, c := range []byte(part) {
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
				letter = true
			case c >= '0' && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return letter
}
