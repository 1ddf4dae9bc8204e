package translate

import (
	"net/netip"

	"google.golang.org/protobuf/encoding/protowire"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// tag is a field's number and wire type, which fit one byte here.
type tag byte

// The fields of an assignment, each message's in the order in which the stock marshaller writes them.
const (
	tagAssignmentName     = tag(1<<3 | protowire.BytesType)
	tagAssignmentLocality = tag(2<<3 | protowire.BytesType)

	tagGroupLocality  = tag(1<<3 | protowire.BytesType)
	tagGroupEndpoint  = tag(2<<3 | protowire.BytesType)
	tagGroupPriority  = tag(5<<3 | protowire.VarintType)
	tagLocalityRegion = tag(1<<3 | protowire.BytesType)
	tagLocalityZone   = tag(2<<3 | protowire.BytesType)
	tagLocalitySub    = tag(3<<3 | protowire.BytesType)

	tagLbEndpoint = tag(1<<3 | protowire.BytesType)
	tagLbHealth   = tag(2<<3 | protowire.VarintType)
	tagLbWeight   = tag(4<<3 | protowire.BytesType)
	tagWrapped    = tag(1<<3 | protowire.VarintType)

	tagEndpointAddress    = tag(1<<3 | protowire.BytesType)
	tagEndpointAdditional = tag(4<<3 | protowire.BytesType)
	tagAdditionalAddress  = tag(1<<3 | protowire.BytesType)
	tagAddressSocket      = tag(1<<3 | protowire.BytesType)
	tagSocketAddress      = tag(2<<3 | protowire.BytesType)
	tagSocketPort         = tag(3<<3 | protowire.VarintType)
)

// Rough sizes, so that one allocation mostly suffices.
const (
	sizeEndpoint = 40
	sizeGroup    = 96
)

// meshMetadata is the field that every group with mesh mTLS ends with:
// metadata (9): filter_metadata (1): {envoy.transport_socket_match: {mesh: true}}.
const meshMetadata = "\x4a\x2e\x0a\x2c\x0a\x1c" + transportSocketMatch + "\x12\x0c\x0a\x0a\x0a\x04mesh\x12\x02\x20\x01"

// AppendAssignment appends the bytes of Assignment(e), exactly as the stock deterministic marshaller
// writes them, without building a message first.
func AppendAssignment(dst []byte, e *ir.Endpoints) []byte {
	dst = grow(dst, e)
	dst = appendText(dst, tagAssignmentName, e.Name())
	for i := range e.Groups {
		dst = appendGroup(dst, &e.Groups[i])
	}
	return dst
}

// grow makes room for about what e takes.
func grow(dst []byte, e *ir.Endpoints) []byte {
	size := sizeGroup
	for i := range e.Groups {
		size += sizeGroup + sizeEndpoint*len(e.Groups[i].Endpoints)
	}
	if cap(dst)-len(dst) >= size {
		return dst
	}
	return append(make([]byte, 0, len(dst)+size), dst...)
}

func appendGroup(dst []byte, g *ir.EndpointGroup) []byte {
	dst, group := begin(dst, tagAssignmentLocality)
	dst = appendLocality(dst, groupLocality(g))
	for i := range g.Endpoints {
		dst = appendEndpoint(dst, &g.Endpoints[i])
	}
	dst = appendNumber(dst, tagGroupPriority, g.Priority)
	if g.Mesh {
		dst = append(dst, meshMetadata...)
	}
	return end(dst, group)
}

func appendLocality(dst []byte, l discovery.Locality) []byte {
	if l == (discovery.Locality{}) {
		return dst
	}
	dst, start := begin(dst, tagGroupLocality)
	dst = appendText(dst, tagLocalityRegion, l.Region)
	dst = appendText(dst, tagLocalityZone, l.Zone)
	dst = appendText(dst, tagLocalitySub, l.SubZone)
	return end(dst, start)
}

// appendEndpoint writes the oneof that holds the endpoint last, as the stock marshaller does.
func appendEndpoint(dst []byte, e *ir.Endpoint) []byte {
	dst, lb := begin(dst, tagGroupEndpoint)
	dst = appendNumber(dst, tagLbHealth, uint32(healthStatus(e.Health)))
	if e.Weight > 1 {
		var weight int
		dst, weight = begin(dst, tagLbWeight)
		dst = appendNumber(dst, tagWrapped, e.Weight)
		dst = end(dst, weight)
	}
	dst, endpoint := begin(dst, tagLbEndpoint)
	dst = appendAddress(dst, tagEndpointAddress, e.Address)
	for _, a := range e.Additional {
		var more int
		dst, more = begin(dst, tagEndpointAdditional)
		dst = appendAddress(dst, tagAdditionalAddress, a)
		dst = end(dst, more)
	}
	return end(end(dst, endpoint), lb)
}

func appendAddress(dst []byte, t tag, a netip.AddrPort) []byte {
	dst, address := begin(dst, t)
	dst, socket := begin(dst, tagAddressSocket)
	dst, text := begin(dst, tagSocketAddress)
	dst = end(a.Addr().AppendTo(dst), text)
	// The port is part of a oneof, which is written even when it is zero.
	dst = protowire.AppendVarint(append(dst, byte(tagSocketPort)), uint64(a.Port()))
	return end(end(dst, socket), address)
}

// appendText and appendNumber leave out what is empty or zero, as proto3 does.
func appendText(dst []byte, t tag, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(append(dst, byte(t)), s)
}

func appendNumber(dst []byte, t tag, n uint32) []byte {
	if n == 0 {
		return dst
	}
	return protowire.AppendVarint(append(dst, byte(t)), uint64(n))
}

// begin starts a field whose length is not known yet, and returns where its content starts. It leaves one byte for the length.
func begin(dst []byte, t tag) (grown []byte, start int) {
	dst = append(dst, byte(t), 0)
	return dst, len(dst)
}

// end writes the length of the field whose content starts at start. A length of more
// than one byte moves the content.
func end(dst []byte, start int) []byte {
	size := len(dst) - start
	extra := protowire.SizeVarint(uint64(size)) - 1
	if extra == 0 {
		dst[start-1] = byte(size)
		return dst
	}
	var room [9]byte
	dst = append(dst, room[:extra]...)
	copy(dst[start+extra:], dst[start:start+size])
	protowire.AppendVarint(dst[:start-1], uint64(size))
	return dst
}
