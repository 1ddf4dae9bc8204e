package server

import (
	"strconv"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"outrigger.dev/outrigger/xds/cache"
)

// response is a DeltaDiscoveryResponse: a head and a tail of its own and shared chunks between. It is immutable.
type response struct {
	push Push
	// head holds all fields but the resources and the nonce.
	head []byte
	// members have their chunks behind the head.
	members members
	// tail holds the nonce. It is last so that only who has read the whole message can answer it.
	tail []byte
}

// isExtra reports whether the response is of a type that is not served: nobody acknowledges it.
func (r *response) isExtra() bool { return int(r.push.Type) >= cache.NumTypes }

// Fields of DeltaDiscoveryResponse.
const (
	responseSystemVersion = 1
	responseTypeURL       = 4
	responseNonce         = 5
	responseRemoved       = 6
	responseControlPlane  = 7
	controlPlaneID        = 1
)

// buffers returns the message as gRPC sends it, the chunks without a copy.
func (r *response) buffers() mem.BufferSlice {
	if whole := r.members.whole; whole != nil {
		return mem.BufferSlice{mem.SliceBuffer(r.head), mem.SliceBuffer(whole.Chunks()), mem.SliceBuffer(r.tail)}
	}
	out := make(mem.BufferSlice, 1, 2+r.push.Resources)
	out[0] = mem.SliceBuffer(r.head)
	// One array for all: a slice in an interface would be an allocation for each resource.
	chunks := make([]mem.SliceBuffer, 0, r.push.Resources)
	for i := range r.members.entries {
		if res := r.members.entries[i].res; res != nil {
			chunks = append(chunks, res.Chunk())
			out = append(out, &chunks[len(chunks)-1])
		}
	}
	return append(out, mem.SliceBuffer(r.tail))
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
func (r *response) frame(prefix []byte, nonce string, rev cache.Rev, removed []string) {
	size := len(prefix) + len(nonce) + 32
	for _, name := range removed {
		size += len(name) + 4
	}
	b := append(make([]byte, 0, size), prefix...)
	var digits [20]byte
	b = appendBytes(b, responseSystemVersion, strconv.AppendUint(digits[:0], uint64(rev), 10))
	for _, name := range removed {
		b = appendString(b, responseRemoved, name)
	}
	end := len(b)
	b = appendString(b, responseNonce, nonce)
	r.head, r.tail = b[:end:end], b[end:]
	r.push.Bytes += len(b)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}
