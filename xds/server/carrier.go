package server

import (
	"context"
	"crypto/x509"
	"net"

	"outrigger.dev/outrigger/xds/internal/prefetch"
	"outrigger.dev/outrigger/xds/transport"
)

// carrier carries the messages of one stream; nothing that it does waits for the client.
type carrier interface {
	// Tell names who is told when there is something to receive, and when all is sent.
	Tell(events transport.Events)
	// receive returns the next message, nil when none has come; first says whether it is the stream's first. It holds good
	// until the next one.
	receive(first bool) (*request, error)
	// send reports whether all is on its way; if not, the events tell when it is.
	send(responses []*response) bool
	// ahead has the processor fetch what sending touches, in steps.
	ahead(step int)
	// End tells the client why; nil and io.EOF are no error.
	End(err error)
	// Context ends with the client.
	Context() context.Context
}

// link is what a wire needs of a stream of the transport.
type link interface {
	Tell(events transport.Events)
	Receive(read func(message []byte)) (bool, error)
	// Send looks at no message any more once it has said that all is on its way.
	Send(messages ...[][]byte) bool
	Ahead(step int)
	End(err error)
	Context() context.Context
}

// wire carries the messages of a stream in one of the two forms in which discovery speaks.
type wire struct {
	link
	// sotw says that the form is that of the state of the world.
	sotw   bool
	decode func(r *request, message []byte) error
	chunks func(r *response, to [][]byte) [][]byte
	// read decodes a message into last, which is nil when none came.
	read  func(message []byte)
	first bool
	last  *request
}

func newDeltaWire(l link) *wire {
	w := &wire{link: l, decode: (*request).decode, chunks: (*response).chunks}
	w.read = w.onMessage
	return w
}

func newSotwWire(l link) *wire {
	decode := func(r *request, message []byte) error { return (*sotwRequest)(r).decode(message) }
	w := &wire{link: l, sotw: true, decode: decode, chunks: (*response).sotwChunks}
	w.read = w.onMessage
	return w
}

func (w *wire) onMessage(message []byte) {
	if w.last == nil {
		w.last = spareRequests.Get().(*request)
	}
	w.last.reset(w.first)
	w.last.malformed = w.decode(w.last, message)
}

func (w *wire) receive(first bool) (*request, error) {
	w.first = first
	came, err := w.Receive(w.read)
	if !came {
		w.forget()
		return nil, err
	}
	return w.last, nil
}

// forget has the last message used again.
func (w *wire) forget() {
	if w.last != nil {
		w.last.reset(false) // Its names may be many.
		spareRequests.Put(w.last)
		w.last = nil
	}
}

func (w *wire) send(responses []*response) bool {
	p := packed(responses, w.chunks)
	if !w.Send(p.messages...) {
		return false
	}
	p.reuse()
	return true
}

func (w *wire) ahead(step int) {
	if step == 0 {
		prefetch.Of(w)
		return
	}
	w.Ahead(step - 1)
}

// caller is who asks for a stream, before it is known whether he may.
type caller interface {
	// Authorization returns the values of the header of that name.
	Authorization() []string
	// VerifiedChain is the client's certificate and those above it, nil where TLS verified none.
	VerifiedChain() []*x509.Certificate
	Remote() net.Addr
}
