package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// protocol is what ALPN calls HTTP/2 over TLS.
	protocol = "h2"
	// handshakeTime bounds everything up to the client's first frame.
	handshakeTime = 10 * time.Second
	// window is what a client may send ahead of being read, of each stream that has an owner; what a connection may is the
	// same, and returned as it comes: it is the streams that are held back.
	window = 1 << 20
	// narrow is what it may send of a stream that has no owner yet.
	narrow = smallBuffer
	// maxStreams is how many streams a connection may have at once. A proxy needs one, and so does a program of
	// grpc-go, which has a connection for each target; other gRPC libraries have one connection for all targets.
	maxStreams = 64
	// headerBytes bounds the headers of a call; the token is in them.
	headerBytes = 16 << 10
	// headerTable is what is remembered of headers (RFC 9113 6.5.2).
	headerTable = 4 << 10
	// frameBytes bounds a frame's payload: the least that a server has to take (RFC 9113 6.5.2).
	frameBytes = 16 << 10
	// firstWindow is what either side may send before it is told otherwise (RFC 9113 6.9.2).
	firstWindow = 65535
)

var (
	errStopped = errors.New("the server was stopped")
	errClosed  = errors.New("the connection was closed")
)

// connection is one client's connection. Its reader has what comes taken in, by one goroutine at a time; whoever holds mu writes.
type connection struct {
	server *Server
	socket *socket
	tls    *tls.Conn
	reader reader
	// opening and sealing are set before the first stream is opened.
	opening, sealing ciphers

	// Who takes in what comes has these.
	input  input
	framer *http2.Framer

	mu      sync.Mutex
	err     error // why it is over; nil while it is not
	streams map[uint32]*Stream
	recent  *Stream // of them, the one that heard something last; nil: nobody knows
	last    uint32  // the highest stream id that was seen
	calls   int     // streams whose call has not returned, or that are open
	leaving bool    // the client was told to open no stream
	writer  writer
	agreed  bool // the client has taken our settings; until then it sends by the windows that HTTP/2 begins with
	credit  int  // bytes that came and that the client has not been told of
	unread  int  // what the client may still send
	paused  bool // the rest of the input waits until heard
	timing  patience
}

func newConnection(s *Server, conn net.Conn) *connection {
	c := &connection{server: s, streams: map[uint32]*Stream{}, unread: firstWindow}
	c.socket = newSocket(conn, &s.work)
	c.socket.drained = c.resume
	c.socket.broken = func(err error) { s.work.Go(func() { c.end(err) }) }
	c.reader = s.readerFor(c)
	c.tls = tls.Server(c.socket, s.config.TLS)
	c.writer = newWriter()
	return c
}

// begin shakes hands, and hands the connection to its reader.
func (c *connection) begin() {
	defer c.recovered()
	if err := c.shakeHands(); err != nil {
		c.end(fmt.Errorf("handshake: %w", err))
		return
	}
	c.greet()
	if err := c.readSettings(); err != nil {
		c.end(err)
		return
	}
	_ = c.socket.SetDeadline(time.Time{})
	c.watch()
	c.opening, c.sealing = ciphersOf(c.tls, "in"), ciphersOf(c.tls, "out")
	c.reader.begin()
}

// shakeHands makes TLS and reads what every client begins with.
func (c *connection) shakeHands() error {
	_ = c.socket.SetDeadline(time.Now().Add(handshakeTime))
	if err := c.tls.HandshakeContext(context.Background()); err != nil {
		return err
	}
	if c.tls.ConnectionState().NegotiatedProtocol != protocol {
		return errors.New("the client does not speak HTTP/2")
	}
	var preface [len(http2.ClientPreface)]byte
	if _, err := io.ReadFull(c.tls, preface[:]); err != nil {
		return err
	}
	if string(preface[:]) != http2.ClientPreface {
		return errors.New("the client does not speak HTTP/2")
	}
	return nil
}

func newFramer(r io.Reader) *http2.Framer {
	f := http2.NewFramer(io.Discard, r)
	f.SetMaxReadFrameSize(frameBytes)
	f.SetReuseFrames()
	f.MaxHeaderListSize = headerBytes
	f.ReadMetaHeaders = hpack.NewDecoder(headerTable, nil)
	return f
}

// greet tells the client what it may do.
func (c *connection) greet() {
	c.mu.Lock()
	defer c.unlock()
	c.framer = newFramer(&c.input)
	c.control(func(f *http2.Framer) error {
		return f.WriteSettings(
			http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: narrow},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: headerBytes},
		)
	})
	c.flush()
}

// end ends the connection and all its streams; the first error counts. What is written by then is on its way.
func (c *connection) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if frames := c.writer.frames; len(frames) > 0 {
		c.encrypt(frames) // Also where the client reads slowly: what was said last tells it why.
	}
	c.err = err
	c.server.note(c, err)
	streams := c.streams
	c.streams, c.recent = nil, nil
	c.timing.stop()
	c.writer.close()
	c.mu.Unlock()
	_ = c.tls.Close() // Which says so, if they have shaken hands.
	for _, s := range streams {
		s.lost(errClosed)
	}
	c.reader.end()
	c.server.forget(c)
}

// resume goes on writing where the kernel took no more.
func (c *connection) resume() {
	defer c.recovered()
	c.mu.Lock()
	defer c.unlock()
	c.flush()
}

// goAway has the client open no more streams here, and ends the connection once the last is over.
func (c *connection) goAway() {
	c.mu.Lock()
	c.sayGoAway(http2.ErrCodeNo, "")
	over := c.isOver()
	c.unlock()
	if over {
		c.end(errStopped)
	}
}

// tell tells the client once to open no more streams, and why.
func (c *connection) tell(code http2.ErrCode, why string) {
	c.mu.Lock()
	defer c.unlock()
	c.sayGoAway(code, why)
}

// sayGoAway tells the client once to open no more streams. The caller holds mu.
func (c *connection) sayGoAway(code http2.ErrCode, why string) {
	if c.leaving || c.err != nil {
		return
	}
	c.leaving = true
	if c.framer != nil { // They have shaken hands.
		c.control(func(f *http2.Framer) error { return f.WriteGoAway(c.last, code, []byte(why)) })
		c.flush()
	}
}

// isOver reports whether nothing is left to be done. The caller holds mu.
func (c *connection) isOver() bool { return c.leaving && c.calls == 0 }
