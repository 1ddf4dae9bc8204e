package transport

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// share is how many pieces a connection takes in before it is others' turn.
const share = 8

// maxBlock and maxBlockFrames bound one block of headers: what comes beyond belongs to no headers that are taken.
const (
	maxBlock       = 4 * headerBytes
	maxBlockFrames = 32
)

// input is what came of a connection and is not done yet. It belongs to whoever takes in what comes, one goroutine at a time.
type input struct {
	// kept begins at a frame of which not all has come, or that has to wait; in a buffer of the pool, nil where nothing is kept.
	kept []byte
	// frame is what the framer reads: one whole frame, with what belongs to it.
	frame []byte
}

// Read is the framer's.
func (i *input) Read(p []byte) (int, error) {
	if len(i.frame) == 0 {
		return 0, errFlood // A block of headers that is longer than any that is taken.
	}
	n := copy(p, i.frame)
	i.frame = i.frame[n:]
	return n, nil
}

// keep has the last bytes of b kept, which may be those that are.
func (i *input) keep(b []byte) {
	switch {
	case len(b) == 0:
		i.drop()
	case i.kept == nil:
		i.kept = append(takeBuffer(len(b)), b...)
	default:
		i.kept = i.kept[:copy(i.kept, b)]
	}
}

func (i *input) drop() {
	if i.kept != nil {
		giveBuffer(i.kept)
	}
	i.kept = nil
}

// next returns a frame's size, 0 where not all of it has come, and how many bytes lack then, at least. A block of headers is one
// frame with those that go on with it; a frame that is too long has come as soon as it says so.
func next(b []byte) (size, lacks int) {
	for frames := 1; ; frames++ {
		if len(b)-size < frameHead {
			return 0, frameHead - (len(b) - size)
		}
		head := headOf(b[size:])
		if size > 0 && head.Type != http2.FrameContinuation || int(head.Length) > frameBytes {
			return size + frameHead, 0
		}
		end := size + frameHead + int(head.Length)
		if end > len(b) {
			return 0, end - len(b)
		}
		begins := head.Type == http2.FrameHeaders || head.Type == http2.FrameContinuation && size > 0
		if size = end; !begins || head.Flags.Has(http2.FlagHeadersEndHeaders) || size > maxBlock || frames == maxBlockFrames {
			return size, 0
		}
	}
}

// headOf reads the head of a frame (RFC 9113 4.1).
func headOf(b []byte) http2.FrameHeader {
	return http2.FrameHeader{
		Length: binary.BigEndian.Uint32(b) >> 8, Type: http2.FrameType(b[3]), Flags: http2.Flags(b[4]),
		StreamID: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1),
	}
}

// taken is how taking in ended.
type taken int

const (
	takenLast taken = iota // the connection is over, which a fault makes it
	takenSome              // there may be more
	takenAll               // nothing has come beyond
	takenHalf              // the rest waits for an owner
)

// takeIn takes in what has come, at most the connection's share. There is room for a record's bytes in b.
func (c *connection) takeIn(b []byte) taken {
	defer c.recovered()
	for range share {
		switch err := c.take(b); {
		case errors.Is(err, errAgain):
			return takenAll
		case errors.Is(err, errWait):
			if c.pause() {
				return takenHalf
			}
		case err != nil:
			c.end(err)
			return takenLast
		}
	}
	return takenSome
}

// take takes in a piece of what has come: what was kept, if that may go on, else all of a record or the end of a frame.
func (c *connection) take(b []byte) error {
	b, err := c.piece(b)
	if err != nil {
		return err
	}
	rest, err := c.frames(b)
	c.input.keep(rest)
	return err
}

// piece returns what is to be looked at next, in b or among what is kept. Of a client whose words may have to wait little is
// asked of TLS at once, so that little is kept beside what TLS has.
func (c *connection) piece(b []byte) ([]byte, error) {
	in := &c.input
	size, lacks := next(in.kept)
	if size > 0 {
		return in.kept, nil
	}
	if !c.agreed { // Who takes it in is who sets it.
		b = b[:narrow]
	}
	if len(in.kept) > 0 {
		b = b[:min(len(b), lacks)]
	}
	n, err := c.tls.Read(b)
	switch {
	case n == 0 && err == errAgain: //nolint:errorlint // TLS hands it on as it is, and this is for every message.
		return nil, err
	case n == 0 && err != nil:
		return nil, c.fail(fmt.Errorf("read: %w", err))
	case len(in.kept) == 0:
		return b[:n], nil
	}
	in.kept = append(growBuffer(in.kept, n), b[:n]...)
	return in.kept, nil
}

// frames does what the frames at the beginning of b ask for, and returns the rest.
func (c *connection) frames(b []byte) ([]byte, error) {
	for {
		if !c.agreed && c.mustWait(b) {
			return b, errWait
		}
		size, _ := next(b)
		if size == 0 {
			return b, nil
		}
		if err := c.doFrame(b[:size]); err != nil {
			return nil, err
		}
		b = b[size:]
	}
}

// doFrame does what a frame asks for; the error ends the connection.
func (c *connection) doFrame(b []byte) error {
	head := headOf(b)
	if head.Type == http2.FrameData {
		return c.fail(c.doData(head, b[frameHead:]))
	}
	if err := c.count(); err != nil {
		return c.fail(err)
	}
	c.input.frame = b
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return c.fail(err)
	}
	return c.fail(c.onFrame(frame))
}

// doData gives the payload of a DATA frame to its stream.
func (c *connection) doData(head http2.FrameHeader, payload []byte) error {
	if head.StreamID == 0 {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if head.Length > frameBytes {
		return http2.ConnectionError(http2.ErrCodeFrameSize)
	}
	data, ok := unpad(head, payload)
	if !ok {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	events, err := c.onData(head, data)
	if events != nil {
		c.guarded(events, Events.Readable)
	}
	return err
}

var (
	// errAgain is what TLS is told where nothing has come: it goes on later.
	errAgain = again{}
	// errWait says that the next frame waits for its stream's owner.
	errWait = errors.New("the stream has no owner yet")
)

type again struct{}

// Error says what it means.
func (again) Error() string { return "nothing has come" }

// Timeout and Temporary say to TLS that nothing is broken.
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// mustWait reports whether somebody has to want to hear a stream first of which much has come, or comes now. A client that has
// taken our settings cannot say much before; one that has not yet is not read meanwhile, and its pings are not answered.
func (c *connection) mustWait(b []byte) bool {
	if len(b) < frameHead {
		return false
	}
	head := headOf(b)
	if head.Type != http2.FrameData {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waitsFor(head)
}

// waitsFor is mustWait for who holds mu.
func (c *connection) waitsFor(head http2.FrameHeader) bool {
	s := c.streams[head.StreamID]
	return c.err == nil && s != nil && s.events == nil && c.unheard()+int(head.Length) > narrow
}

// unheard is how many bytes are held of streams without an owner. The caller holds mu.
func (c *connection) unheard() (size int) {
	for _, s := range c.streams {
		if s.events == nil {
			size += len(s.in.rest())
		}
	}
	return size
}

// pause has the connection not read until heard; false where that has come about meanwhile.
func (c *connection) pause() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = c.waitsFor(headOf(c.input.kept))
	return c.paused
}

// heard goes on with what waited for an owner, if it did and there is one. The caller holds mu.
func (c *connection) heard() {
	if c.paused && !c.waitsFor(headOf(c.input.kept)) {
		c.paused = false
		c.reader.goOn()
	}
}
