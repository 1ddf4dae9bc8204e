package adsclient

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxMessage bounds what a server may send at once.
const maxMessage = 64 << 20

// stream is a stream of gRPC over a link's connection.
type stream struct {
	conn *conn
	id   uint32
	// received is called by the connection's goroutine with every message, of which nothing may be kept.
	received func(s *stream, message []byte) error

	// The connection's goroutine has all of the inbox.
	inbox []byte
	got   int64 // data since the window was last opened again

	// The connection's mu guards the rest.
	window  int64  // what the server still takes
	waiting []byte // what is to be sent beyond that
	over    bool
	ended   chan error // of capacity one
}

// send puts a message on its way, which belongs to the stream then. One for a stream that has ended goes nowhere: who waits for the end is told why.
func (s *stream) send(message []byte) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.over {
		return
	}
	if len(s.waiting) == 0 {
		s.waiting = message
	} else {
		s.waiting = append(s.waiting, message...)
	}
	s.conn.push(s)
}

func (s *stream) flush() error { return s.conn.flush() }

// said reports whether the server has let everything come that was sent.
func (s *stream) said() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return !s.over && len(s.waiting) == 0
}

// take takes a piece of the inbound bytes, and hands over the messages that are complete.
func (s *stream) take(piece []byte) error {
	begun := len(s.inbox) > 0
	if begun {
		s.inbox = append(s.inbox, piece...)
		piece = s.inbox
	}
	rest := piece
	for {
		message, after, err := next(rest)
		if err != nil {
			return err
		}
		if message == nil {
			break
		}
		if err := s.received(s, message); err != nil {
			return err
		}
		rest = after
	}
	switch {
	case len(rest) == 0:
		s.inbox = nil
	case !begun || len(rest) < len(piece):
		s.inbox = append([]byte(nil), rest...)
	}
	return nil
}

// next cuts the first message off; nil: it is not complete. An empty message is not nil.
func next(b []byte) (message, rest []byte, err error) {
	if len(b) < messageHeader {
		return nil, b, nil
	}
	length := int(binary.BigEndian.Uint32(b[1:]))
	if b[0] != 0 || length > maxMessage {
		return nil, nil, status.Errorf(codes.Internal, "a message of %d bytes, compressed: %d", length, b[0])
	}
	if b = b[messageHeader:]; len(b) < length {
		return nil, nil, nil
	}
	return b[:length:length], b[length:], nil
}

// end ends the stream, with the connection's mu.
func (s *stream) end(err error) {
	if s.over {
		return
	}
	s.over, s.waiting = true, nil
	delete(s.conn.streams, s.id)
	s.ended <- err
}

// errStatus says that a stream ended without saying why.
var errStatus = errors.New("the stream ended without a status")

// gone is the error of a client that has lost its connection: it comes back.
func gone(err error) error {
	return status.Error(codes.Unavailable, fmt.Sprintf("the connection is gone: %v", err))
}
