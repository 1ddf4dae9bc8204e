package transport

import (
	"encoding/binary"
	"math"
	"slices"

	"golang.org/x/net/http2"
)

const (
	// batch is how much is encrypted and written at once.
	batch = 64 << 10
	// record is what one record of TLS holds.
	record = 16 << 10
	// frameHead is the length of a frame's head.
	frameHead = 9
	// smallControl is what a connection keeps room for.
	smallControl = 256
	// maxControl bounds the frames that answer a client who does not read them.
	maxControl = 64 << 10
)

// writer is what a connection has to write. The connection's mu guards it.
type writer struct {
	window  int    // what the client takes of all streams
	initial int    // what it takes of a new one
	frames  []byte // encoded frames that go before all data
	// ready are the streams with data that their windows let go, the longest waiting first.
	ready []*Stream
	one   [1]*Stream // has room for the usual one
	// waiting are those whose owners want to know when all is written, sent those who are to be told.
	waiting, sent []*Stream
}

func newWriter() writer {
	return writer{window: firstWindow, initial: firstWindow}
}

func (w *writer) close() { w.frames, w.ready, w.one, w.waiting = nil, nil, [1]*Stream{}, nil }

// Write takes frames from an encoder.
func (w *writer) Write(p []byte) (int, error) {
	w.frames = append(w.frames, p...)
	return len(p), nil
}

// control encodes frames, which go before all data. The caller holds mu, and flushes.
func (c *connection) control(encode func(f *http2.Framer) error) {
	if c.err != nil {
		return
	}
	// It fails for what nobody here asks for: a stream without a number, too long a window.
	_ = encode(http2.NewFramer(&c.writer, nil))
}

// forget drops a stream that is over. The caller holds mu.
func (w *writer) forget(s *Stream) {
	same := func(other *Stream) bool { return other == s }
	w.ready = slices.DeleteFunc(w.ready, same)
	w.waiting = slices.DeleteFunc(w.waiting, same)
}

// flush writes what may go. The caller holds mu, and gives it back by unlock.
func (c *connection) flush() {
	for c.err == nil && c.hasOutput() && !c.socket.isBusy() {
		b := c.gather(takeBuffer(c.outputSize()))
		c.encrypt(b)
		giveBuffer(b)
	}
	c.settle()
}

// settle finds the streams whose owners wait for the end of what they sent. The caller holds mu.
func (c *connection) settle() {
	w := &c.writer
	if len(w.waiting) == 0 || c.socket.isBusy() {
		return
	}
	w.waiting = slices.DeleteFunc(w.waiting, func(s *Stream) bool {
		if s.out.size > 0 {
			return false
		}
		w.sent = append(w.sent, s)
		return true
	})
}

// unlock gives mu back, and tells owners whose messages are all written.
func (c *connection) unlock() {
	sent := c.writer.sent
	c.writer.sent = nil
	c.mu.Unlock()
	for _, s := range sent {
		if events := s.listener(); events != nil {
			c.guarded(events, Events.Sent)
		}
	}
}

func (c *connection) hasOutput() bool {
	return len(c.writer.frames) > 0 || len(c.writer.ready) > 0 && c.writer.window > 0
}

// outputSize is about how many bytes there are to write, at most those of a batch.
func (c *connection) outputSize() int {
	size := len(c.writer.frames)
	for _, s := range c.writer.ready {
		if size += s.out.size + 2*frameHead; size >= batch {
			return batch
		}
	}
	return size
}

// encrypt writes frames: a record is written as it is made, several are written at once.
func (c *connection) encrypt(b []byte) {
	var err error
	if len(b) <= record {
		_, err = c.tls.Write(b)
	} else {
		c.socket.cork()
		_, err = c.tls.Write(b)
		c.socket.uncork()
	}
	if err != nil {
		c.writer.close()
		c.socket.broken(err)
	}
}

// gather moves frames into b, which it returns, until it is full or nothing more may go.
func (c *connection) gather(b []byte) []byte {
	w := &c.writer
	b = append(b, w.frames...)
	if w.frames = w.frames[:0]; cap(w.frames) > smallControl {
		w.frames = nil
	}
	for len(w.ready) > 0 && w.window > 0 && len(b) < batch {
		s := w.ready[0]
		w.ready = w.ready[1:]
		s.ready = false
		if !s.maySend() { // Its window was narrowed since.
			continue
		}
		b = s.appendData(b, min(frameBytes, w.window, batch-len(b)))
		c.schedule(s)
	}
	if len(w.ready) == 0 {
		w.one[0] = nil
		w.ready = w.one[:0]
	}
	return b
}

// appendData moves one frame of at most limit bytes from the stream's messages to b. The caller holds mu.
func (s *Stream) appendData(b []byte, limit int) []byte {
	size := min(limit, s.window, s.out.size)
	b = appendHead(b, size, http2.FrameData, 0, s.id)
	b = s.out.move(b, size)
	s.window -= size
	s.connection.writer.window -= size
	s.connection.timing.useful()
	return b
}

// maySend reports whether there is data that the stream's window lets go.
func (s *Stream) maySend() bool { return s.out.size > 0 && s.window > 0 }

// schedule puts a stream among those with something to write. The caller holds mu.
func (c *connection) schedule(s *Stream) {
	if s.ready || !s.maySend() || c.err != nil {
		return
	}
	s.ready = true
	c.writer.ready = append(c.writer.ready, s)
}

func appendHead(b []byte, size int, kind http2.FrameType, flags http2.Flags, id uint32) []byte {
	b = append(b, byte(size>>16), byte(size>>8), byte(size), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(b, id)
}

// widen takes what the client allows more; false means more than HTTP/2 lets it.
func widen(window *int, by int) bool {
	if *window+by > math.MaxInt32 {
		return false
	}
	*window += by
	return true
}
