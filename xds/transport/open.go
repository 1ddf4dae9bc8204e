package transport

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxRefused is how many streams beyond the limit a client may try in a row before it is left.
const maxRefused = 1000

// onHeaders begins a stream, or ends the client's side of one.
func (c *connection) onHeaders(frame *http2.MetaHeadersFrame) error {
	id := frame.StreamID
	c.mu.Lock()
	open, fresh, leaving := c.streams[id], id > c.last, c.leaving
	c.last = max(c.last, id)
	c.mu.Unlock()
	switch {
	case open != nil:
		return c.onTrailers(open, frame)
	case id%2 == 0:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case !fresh && frame.StreamEnded() && len(frame.PseudoFields()) == 0: // Its end crossed ours.
		return nil
	case !fresh: // RFC 9113 5.1.1.
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case leaving: // It was told so, and tries again elsewhere.
		return nil
	}
	return c.open(frame)
}

// onTrailers takes the end of what the client says.
func (c *connection) onTrailers(s *Stream, frame *http2.MetaHeadersFrame) error {
	if !frame.StreamEnded() || len(frame.PseudoFields()) > 0 {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	}
	c.mu.Lock()
	s.in.ended = true
	events := s.events
	c.mu.Unlock()
	if events != nil {
		c.guarded(events, Events.Readable)
	}
	return nil
}

// open begins a call in a goroutine of its own.
func (c *connection) open(frame *http2.MetaHeadersFrame) error {
	if isMalformed(frame) {
		return http2.StreamError{StreamID: frame.StreamID, Code: http2.ErrCodeProtocol}
	}
	call, timeout, refused := c.call(frame)
	if refused != nil {
		c.mu.Lock()
		defer c.unlock()
		return c.answer(func(f *http2.Framer) error {
			err := f.WriteHeaders(refusal(frame.StreamID, refused))
			if !frame.StreamEnded() {
				err = errors.Join(err, f.WriteRSTStream(frame.StreamID, http2.ErrCodeNo))
			}
			return err
		})
	}
	s, err := c.add(frame, timeout)
	if err != nil {
		return err
	}
	if s == nil {
		return nil
	}
	c.server.work.Go(func() { s.run(call) })
	return nil
}

// isMalformed reports whether headers are no request at all (RFC 9113 8.2.2, 8.3.1).
func isMalformed(frame *http2.MetaHeadersFrame) bool {
	for _, name := range []string{"method", "scheme", "path"} {
		if frame.PseudoValue(name) == "" && !frame.Truncated {
			return true
		}
	}
	return slices.ContainsFunc(frame.RegularFields(), func(f hpack.HeaderField) bool {
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			return true
		case "te":
			return f.Value != "trailers"
		default:
			return false
		}
	})
}

// call reads the headers of a call: what serves it, and for how long.
func (c *connection) call(frame *http2.MetaHeadersFrame) (call func(*Stream), timeout time.Duration, err *callError) {
	kind := regular(frame, "content-type")
	switch {
	case frame.Truncated:
		return nil, 0, &callError{status: http.StatusRequestHeaderFieldsTooLarge}
	case frame.PseudoValue("method") != http.MethodPost:
		return nil, 0, &callError{status: http.StatusMethodNotAllowed}
	case !isGRPC(kind):
		return nil, 0, &callError{status: http.StatusUnsupportedMediaType}
	}
	if encoding := regular(frame, "grpc-encoding"); encoding != "" && encoding != "identity" {
		return nil, 0, &callError{statusOK, codes.Unimplemented, "compressed messages are not read"}
	}
	path := frame.PseudoValue("path")
	call, ok := c.server.config.Methods[path]
	if !ok {
		return nil, 0, &callError{statusOK, codes.Unimplemented, "there is no method " + clip(path, maxPath)}
	}
	if timeout, ok = timeoutOf(regular(frame, "grpc-timeout")); !ok {
		return nil, 0, &callError{statusOK, codes.Internal, "the header grpc-timeout cannot be read"}
	}
	return call, timeout, nil
}

const maxPath = 256

// isGRPC reports whether a content-type is gRPC's: alone, or followed by an encoding.
func isGRPC(kind string) bool {
	rest, ok := strings.CutPrefix(kind, contentType)
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// regular returns the first value of a header.
func regular(frame *http2.MetaHeadersFrame, name string) string {
	for _, f := range frame.RegularFields() {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// timeoutUnits are those of gRPC's header.
var timeoutUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// timeoutOf reads up to eight digits and a unit; 0 is none.
func timeoutOf(value string) (time.Duration, bool) {
	if value == "" {
		return 0, true
	}
	const digits = 8
	last := len(value) - 1
	unit, ok := timeoutUnits[value[last]]
	if !ok || last > digits {
		return 0, false
	}
	n, err := strconv.ParseUint(value[:last], 10, 32)
	if err != nil || n == 0 {
		return 0, false
	}
	return time.Duration(min(n, uint64(math.MaxInt64/unit))) * unit, true
}

// add makes a stream; nil where the client has as many as it may.
func (c *connection) add(frame *http2.MetaHeadersFrame, timeout time.Duration) (*Stream, error) {
	s := &Stream{connection: c, id: frame.StreamID, unread: firstWindow, uses: 2}
	for _, f := range frame.RegularFields() {
		if f.Name == "authorization" {
			s.authorization = append(s.authorization, f.Value)
		}
	}
	c.mu.Lock()
	defer c.unlock()
	if c.err != nil {
		return nil, nil
	}
	if c.calls >= maxStreams {
		return nil, c.refuse(s.id)
	}
	if c.agreed {
		s.unread = narrow
	}
	c.calls++
	c.timing.active()
	s.ctx, s.cancel = contextFor(timeout)
	s.window, s.in.ended = c.writer.initial, frame.StreamEnded()
	c.streams[s.id] = s
	if timeout > 0 {
		context.AfterFunc(s.ctx, s.expired)
	}
	return s, nil
}

// expired ends a stream that took longer than its client wants to wait, unless it is over.
func (s *Stream) expired() {
	if errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
		s.connection.reset(s.id, http2.ErrCodeCancel)
	}
}

func contextFor(timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout > 0 {
		return context.WithTimeout(context.Background(), timeout)
	}
	return context.WithCancel(context.Background())
}

// refuse tells the client that it has too many streams. The caller holds mu.
func (c *connection) refuse(id uint32) error {
	if c.timing.refused++; c.timing.refused > maxRefused {
		return errFlood
	}
	return c.answer(func(f *http2.Framer) error { return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) })
}

// run is a call's use of its stream.
func (s *Stream) run(call func(*Stream)) {
	defer s.returned()
	defer func() {
		if fault := recover(); fault != nil {
			s.connection.server.panicked(fault)
			s.End(status.Error(codes.Internal, "internal error"))
		}
	}()
	call(s)
}

// returned ends a call's use of its stream.
func (s *Stream) returned() {
	c := s.connection
	c.mu.Lock()
	s.authorization = nil // A token is not kept longer than it is needed.
	over := s.leave()
	c.mu.Unlock()
	if over {
		c.end(errStopped)
	}
}
