package server

import "sync"

// parcel is what a wire hands to the transport at once. What it is made of is used again once all is on its way: else
// every change leaves garbage for each stream.
type parcel struct {
	responses []*response
	chunks    [][]byte
	messages  [][][]byte
}

// maxKept bounds what is kept to be used again, in chunks and in bytes: more was needed for a first exchange.
const maxKept = 256

var (
	spareParcels   = sync.Pool{New: func() any { return &parcel{} }}
	spareResponses = sync.Pool{New: func() any { return &response{} }}
	spareRequests  = sync.Pool{New: func() any { return &request{} }}
)

// packed puts responses into a parcel, as chunks makes them messages.
func packed(all []*response, chunks func(r *response, to [][]byte) [][]byte) *parcel {
	p := spareParcels.Get().(*parcel)
	p.responses = all
	for _, r := range all {
		begin := len(p.chunks)
		p.chunks = chunks(r, p.chunks)
		p.messages = append(p.messages, p.chunks[begin:len(p.chunks):len(p.chunks)])
	}
	return p
}

// reuse takes a parcel back, and the responses in it. Nobody may use them any more.
func (p *parcel) reuse() {
	for _, r := range p.responses {
		r.reuse()
	}
	clear(p.chunks)
	clear(p.messages)
	p.responses, p.chunks, p.messages = nil, p.chunks[:0], p.messages[:0]
	if cap(p.chunks) <= maxKept {
		spareParcels.Put(p)
	}
}

// newResponse returns a response about members. Whoever is its last user may have it used again.
func newResponse(push Push, m members) *response {
	r := spareResponses.Get().(*response)
	r.push, r.members = push, m
	return r
}

func (r *response) reuse() {
	room := r.room[:0]
	if cap(room) > maxKept {
		room = nil
	}
	*r = response{room: room}
	spareResponses.Put(r)
}
