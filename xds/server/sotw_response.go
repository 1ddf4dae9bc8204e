package server

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"outrigger.dev/outrigger/xds/cache"
)

// sotwResponse is a response as a DiscoveryResponse carries it: of its members only the bodies, the same bytes as
// in a delta response.
type sotwResponse response

// Fields of DiscoveryResponse.
const (
	sotwResponseVersion      = 1
	sotwResponseTypeURL      = 4
	sotwResponseNonce        = 5
	sotwResponseControlPlane = 6
)

// buffers returns the message as gRPC sends it, the bodies without a copy.
func (r *sotwResponse) buffers() mem.BufferSlice {
	entries := r.members.entries
	out := make(mem.BufferSlice, 1, 2+len(entries))
	out[0] = mem.SliceBuffer(r.head)
	chunks := make([]mem.SliceBuffer, len(entries))
	for i := range entries {
		chunks[i] = entries[i].res.AnyChunk()
		out = append(out, &chunks[i])
	}
	return append(out, mem.SliceBuffer(r.tail))
}

// newSotwResponse frames a response. The nonce is last, so that only who has read the whole message can answer it.
func (h *heads) newSotwResponse(typ cache.Type, url string, resources []*cache.Resource) *response {
	r := &response{push: Push{Type: typ, Resources: len(resources)}}
	r.members.entries = make([]entry, len(resources))
	for i, res := range resources {
		r.members.entries[i] = entry{name: res.Name(), res: res}
		r.push.Bytes += len(res.AnyChunk())
	}
	r.head = appendString(nil, sotwResponseTypeURL, url)
	if _, _, n := protowire.ConsumeTag(h.control); n > 0 {
		// The identifier has another field number in the other form.
		message, _ := protowire.ConsumeBytes(h.control[n:])
		r.head = appendBytes(r.head, sotwResponseControlPlane, message)
	}
	return r
}

// seal sets version and nonce.
func (r *response) seal(version, nonce string) {
	r.head = appendString(r.head, sotwResponseVersion, version)
	r.tail = appendString(nil, sotwResponseNonce, nonce)
	r.push.Bytes += len(r.head) + len(r.tail)
}
