package adsclient

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// window is Envoy's default for a stream, and ours for a connection too.
	window = 16 << 20
	// firstWindow is what HTTP/2 gives a connection and each stream to begin with, and maxFrame the length of a frame.
	firstWindow = 65_535
	maxFrame    = 16 << 10
	// readBuffer is what is read at once at most.
	readBuffer = 4 << 10
)

// errGoing says that the server takes no more streams on a connection.
var errGoing = errors.New("the server takes no more streams on this connection")

// conn is a connection of HTTP/2. One goroutine reads it, and calls the streams with what came for them. What is to be
// written is gathered until somebody flushes, as that goroutine does before it waits: an answer and the question that
// follows from it leave together, as Envoy's do.
type conn struct {
	tls   *tls.Conn
	read  *http2.Framer
	users int // of the link

	mu      sync.Mutex
	out     bytes.Buffer
	write   *http2.Framer // into out
	block   bytes.Buffer
	headers *hpack.Encoder // into block
	streams map[uint32]*stream
	next    uint32 // the number of the next stream
	window  int64  // what the server takes on the whole connection
	begin   int64  // what it takes on a new stream
	got     int64  // data since the window was last opened again
	going   bool   // no more streams
	err     error  // why the connection ended

	flushing sync.Mutex // of writing to tls
	leaving  bytes.Buffer
	done     chan struct{}
}

// dial connects, and starts the goroutine of the connection, which ends with it.
func dial(ctx context.Context, address string, config *tls.Config) (*conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, gone(err)
	}
	quick, err := quicken(raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	c := &conn{
		tls: tls.Client(quick, config), streams: map[uint32]*stream{}, next: 1, window: firstWindow, begin: firstWindow,
		done: make(chan struct{}),
	}
	c.headers = hpack.NewEncoder(&c.block)
	c.write = http2.NewFramer(&c.out, nil)
	c.read = http2.NewFramer(nil, bufio.NewReaderSize(flusher{c}, readBuffer))
	c.read.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.read.SetReuseFrames()
	if err := c.hello(ctx); err != nil {
		_ = raw.Close()
		return nil, gone(err)
	}
	go c.serve()
	return c, nil
}

func (c *conn) hello(ctx context.Context) error {
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return err
	}
	c.out.WriteString(http2.ClientPreface)
	return errors.Join(
		c.write.WriteSettings(http2.Setting{ID: http2.SettingEnablePush}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}),
		c.write.WriteWindowUpdate(0, window-firstWindow),
	)
}

// flusher is the connection to read from: before it waits, all that was to be written is.
type flusher struct{ *conn }

// Read reads what comes next.
func (f flusher) Read(p []byte) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.tls.Read(p)
}

// flush writes what was gathered.
func (c *conn) flush() error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	c.mu.Lock()
	c.out, c.leaving = c.leaving, c.out
	c.mu.Unlock()
	if c.leaving.Len() == 0 {
		return nil
	}
	_, err := c.tls.Write(c.leaving.Bytes())
	if c.leaving.Reset(); c.leaving.Cap() > maxFrame {
		c.leaving = bytes.Buffer{}
	}
	return err
}

// takes reports whether a stream can be opened.
func (c *conn) takes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.going && c.err == nil
}

// open begins a stream; token is a bearer token or empty.
func (c *conn) open(token string, received func(s *stream, message []byte) error) (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.going || c.err != nil {
		return nil, gone(errors.Join(errGoing, c.err))
	}
	s := &stream{conn: c, id: c.next, received: received, window: c.begin, ended: make(chan error, 1)}
	c.next += 2
	c.block.Reset()
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: c.tls.RemoteAddr().String()},
		{Name: ":path", Value: discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	}
	if token != "" {
		fields = append(fields, hpack.HeaderField{Name: "authorization", Value: "Bearer " + token, Sensitive: true})
	}
	for _, f := range fields {
		if err := c.headers.WriteField(f); err != nil {
			return nil, err
		}
	}
	c.streams[s.id] = s
	return s, c.write.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: c.block.Bytes(), EndHeaders: true})
}

// push gathers what the windows let go of a stream's messages, with mu.
func (c *conn) push(s *stream) {
	for len(s.waiting) > 0 {
		n := min(int64(len(s.waiting)), s.window, c.window, maxFrame)
		if n <= 0 {
			return
		}
		_ = c.write.WriteData(s.id, false, s.waiting[:n]) // A buffer takes everything.
		s.waiting = s.waiting[n:]
		s.window -= n
		c.window -= n
	}
	s.waiting = nil
}

// cancel ends a stream that nobody follows any more.
func (c *conn) cancel(s *stream, err error) {
	c.mu.Lock()
	if !s.over {
		_ = c.write.WriteRSTStream(s.id, http2.ErrCodeCancel) // A buffer takes everything.
		s.end(err)
	}
	c.mu.Unlock()
	_ = c.flush() // Who reads is told why it can't be.
}

// cut ends the connection.
func (c *conn) cut() { _ = c.tls.NetConn().Close() }

// close ends the connection and waits for its goroutine.
func (c *conn) close() {
	c.cut()
	<-c.done
}
