package server

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"outrigger.dev/outrigger/xds/cache"
)

// Fields of DiscoveryResponse.
const (
	sotwResponseVersion      = 1
	sotwResponseTypeURL      = 4
	sotwResponseNonce        = 5
	sotwResponseControlPlane = 6
)

// sotwChunks appends a message of newSotwResponse in pieces, its bodies, the same bytes as in a delta response, without a copy.
func (r *response) sotwChunks(to [][]byte) [][]byte {
	entries := r.members.entries
	to = append(slices.Grow(to, 2+len(entries)), r.head)
	for i := range entries {
		to = append(to, entries[i].res.AnyChunk())
	}
	return append(to, r.tail)
}

// newSotwResponse frames a response. The nonce is last, so that only who has read the whole message can answer it.
func (h *heads) newSotwResponse(typ cache.Type, url string, resources []*cache.Resource) *response {
	r := newResponse(Push{Type: typ, Resources: len(resources)}, members{entries: make([]entry, len(resources))})
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
func (r *response) seal(version string, nonce nonce) {
	r.head = appendString(r.head, sotwResponseVersion, version)
	r.tail = appendBytes(nil, sotwResponseNonce, nonce.bytes())
	r.push.Bytes += len(r.head) + len(r.tail)
}
