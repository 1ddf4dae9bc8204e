package server

import (
	"context"
	"crypto/x509"
	"net"

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
	// End tells the client why; nil and io.EOF are no error.
	End(err error)
	// Context ends with the client.
	Context() context.Context
}

// deltaCarrier carries the delta form.
type deltaCarrier struct {
	*transport.Stream
	last request
}

func (c *deltaCarrier) receive(first bool) (*request, error) {
	c.last = request{first: first}
	came, err := c.Receive(func(message []byte) { c.last.malformed = c.last.decode(message) })
	if !came {
		return nil, err
	}
	return &c.last, nil
}

func (c *deltaCarrier) send(responses []*response) bool {
	return c.Send(messages(responses, (*response).chunks)...)
}

// sotwCarrier carries the state-of-the-world form.
type sotwCarrier struct {
	*transport.Stream
	last request
}

func (c *sotwCarrier) receive(first bool) (*request, error) {
	c.last = request{first: first}
	came, err := c.Receive(func(message []byte) { c.last.malformed = (*sotwRequest)(&c.last).decode(message) })
	if !came {
		return nil, err
	}
	return &c.last, nil
}

func (c *sotwCarrier) send(responses []*response) bool {
	return c.Send(messages(responses, (*response).sotwChunks)...)
}

func messages(responses []*response, chunks func(*response) [][]byte) [][][]byte {
	all := make([][][]byte, len(responses))
	for i, r := range responses {
		all[i] = chunks(r)
	}
	return all
}

// caller is who asks for a stream, before it is known whether he may.
type caller interface {
	// Header returns the values of a header.
	Header(name string) []string
	// VerifiedChain is the client's certificate and those above it, nil where TLS verified none.
	VerifiedChain() []*x509.Certificate
	Remote() net.Addr
}
