package server

import (
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"outrigger.dev/outrigger/xds/cache"
)

// response is a DeltaDiscoveryResponse: a head and a tail of its own and shared chunks between. It is immutable until it
// is used again.
type response struct {
	push Push
	// head holds all fields but the resources and the nonce.
	head []byte
	// members have their chunks behind the head.
	members members
	// tail holds the nonce. It is last so that only who has read the whole message can answer it.
	tail []byte
	// room is where head and tail are, or may be.
	room []byte
}

// Fields of DeltaDiscoveryResponse.
const (
	responseSystemVersion = 1
	responseTypeURL       = 4
	responseNonce         = 5
	responseRemoved       = 6
	responseControlPlane  = 7
	controlPlaneID        = 1
)

// chunks appends the message in pieces, those of resources without a copy.
func (r *response) chunks(to [][]byte) [][]byte {
	if whole := r.members.whole; whole != nil {
		return append(to, r.head, whole.Chunks(), r.tail)
	}
	to = append(slices.Grow(to, 2+r.push.Resources), r.head)
	for i := range r.members.entries {
		if res := r.members.entries[i].res; res != nil {
			to = append(to, res.Chunk())
		}
	}
	return append(to, r.tail)
}

// heads makes the heads of responses.
type heads struct {
	control []byte // the control plane's identifier, encoded
	typed   [cache.NumTypes][]byte
}

func newHeads(identifier string) *heads {
	h := &heads{}
	if identifier != "" {
		h.control = appendBytes(nil, responseControlPlane, appendString(nil, controlPlaneID, identifier))
	}
	for t := range cache.Type(cache.NumTypes) {
		h.typed[t] = h.of(t.URL())
	}
	return h
}

// of returns what all heads of a type begin with.
func (h *heads) of(url string) []byte {
	return append(appendString(nil, responseTypeURL, url), h.control...)
}

// frame sets the fields besides the resources, and adds their size to that of the message.
func (r *response) frame(prefix []byte, nonce nonce, rev cache.Rev, removed []string) {
	size := len(prefix) + nonceBytes + 32
	for _, name := range removed {
		size += len(name) + 4
	}
	b := append(slices.Grow(r.room[:0], size), prefix...)
	var digits [20]byte
	b = appendBytes(b, responseSystemVersion, strconv.AppendUint(digits[:0], uint64(rev), 10))
	for _, name := range removed {
		b = appendString(b, responseRemoved, name)
	}
	end := len(b)
	b = appendBytes(b, responseNonce, nonce.bytes())
	r.head, r.tail, r.room = b[:end:end], b[end:], b
	r.push.Bytes += len(b)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}
