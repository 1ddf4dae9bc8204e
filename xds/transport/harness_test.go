package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"outrigger.dev/outrigger/test/selfsigned"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	echoMethod = "/test.Test/Echo" // says what it hears
	deafMethod = "/test.Test/Deaf" // never takes a message
	endMethod  = "/test.Test/End"  // ends at once, with an error
	waitMethod = "/test.Test/Wait" // waits for the end, and owns nothing
	maxMessage = 4 << 20
)

// echo is the owner of a stream that answers each message by itself.
type echo struct {
	stream *Stream
	mu     sync.Mutex
	// sending is whether the last Send was not finished.
	sending bool
}

func serveEcho(s *Stream) {
	e := &echo{stream: s}
	s.Tell(e)
	e.Readable()
}

func (e *echo) Readable() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pass()
}

func (e *echo) Ahead(int) {}

func (e *echo) Sent() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sending = false
	e.pass()
}

// pass answers until nothing is there, or the client does not read.
func (e *echo) pass() {
	for !e.sending {
		var message []byte
		ok, err := e.stream.Receive(func(m []byte) { message = bytes.Clone(m) })
		if err != nil {
			e.stream.End(err)
			return
		}
		if !ok {
			return
		}
		half := len(message) / 2
		e.sending = !e.stream.Send([][]byte{message[:half], message[half:]})
	}
}

// deaf is an owner that takes nothing.
type deaf struct{}

func (deaf) Readable() {}
func (deaf) Sent()     {}
func (deaf) Ahead(int) {}

// rig is a server that is reached in memory, or by TCP.
type rig struct {
	tb     testing.TB
	server *Server
	dial   func() (net.Conn, error)
	quiet  bool // its raw clients answer no ping and no settings by themselves
}

func methods() map[string]func(*Stream) {
	return map[string]func(*Stream){
		echoMethod: serveEcho,
		deafMethod: func(s *Stream) { s.Tell(deaf{}) },
		waitMethod: func(s *Stream) { <-s.Context().Done() },
		endMethod: func(s *Stream) {
			s.End(status.Error(codes.PermissionDenied, "the door is shut: 100% — "+strings.Join(s.Authorization(), ",")))
		},
	}
}

func inMemory(tb testing.TB, change func(*Config)) *rig {
	tb.Helper()
	listener := bufconn.Listen(1 << 16)
	return newRig(tb, listener, func() (net.Conn, error) { return listener.DialContext(context.Background()) }, change)
}

func overTCP(tb testing.TB) *rig {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var dialer net.Dialer
	return newRig(tb, listener, func() (net.Conn, error) {
		return dialer.DialContext(context.Background(), "tcp", listener.Addr().String())
	}, nil)
}

func newRig(tb testing.TB, listener net.Listener, dial func() (net.Conn, error), change func(*Config)) *rig {
	tb.Helper()
	config := Config{TLS: serverTLS(), Methods: methods(), MessageBytes: maxMessage}
	if change != nil {
		change(&config)
	}
	server, err := New(config)
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Stop(ctx)
		if err := <-served; !errors.Is(err, ErrServerStopped) {
			tb.Error(err)
		}
	})
	return &rig{tb: tb, server: server, dial: dial}
}

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{selfsigned.Certificate()}, MinVersion: tls.VersionTLS13}
}

func clientTLS() *tls.Config { return selfsigned.Client(protocol) }

// inBubble runs a test with a clock that jumps.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	selfsigned.Certificate() // Made once, outside every bubble.
	synctest.Test(t, test)
}

// raw is a client that can break every rule. It remembers, in words, all frames that it gets.
type raw struct {
	tb     testing.TB
	conn   net.Conn
	framer *http2.Framer
	over   chan struct{}
	mu     sync.Mutex
	seen   []string
	bytes  int  // of DATA
	quiet  bool // answers no ping and no settings
	// pause, when it is set, is what the reading of the next frames waits for.
	pause chan struct{}
}

// connect shakes hands and sends the first settings.
func (r *rig) connect(settings ...http2.Setting) *raw {
	r.tb.Helper()
	return r.begin(func(f *http2.Framer) error { return f.WriteSettings(settings...) })
}

// begin shakes hands and sends what comes first.
func (r *rig) begin(first func(f *http2.Framer) error) *raw {
	r.tb.Helper()
	plain, err := r.dial()
	if err != nil {
		r.tb.Fatal(err)
	}
	conn := tls.Client(plain, clientTLS())
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		r.tb.Fatal(err)
	}
	c := &raw{tb: r.tb, conn: conn, framer: http2.NewFramer(conn, conn), over: make(chan struct{}), quiet: r.quiet}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.AllowIllegalWrites = true
	c.do(first) // Before any answer to what the server says first.
	go c.read()
	r.tb.Cleanup(func() {
		_ = plain.Close()
		<-c.over
	})
	return c
}

// do writes, unless the server has ended the connection.
func (c *raw) do(write func(f *http2.Framer) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := write(c.framer); err != nil {
		c.tb.Logf("not written: %v", err)
	}
}

func (c *raw) read() {
	defer close(c.over)
	for {
		frame, err := c.framer.ReadFrame()
		c.mu.Lock()
		pause := c.pause
		c.mu.Unlock()
		if pause != nil {
			<-pause
		}
		c.mu.Lock()
		if err != nil {
			c.seen = append(c.seen, "closed")
			c.mu.Unlock()
			return
		}
		c.note(frame)
		c.mu.Unlock()
	}
}

func (c *raw) note(frame http2.Frame) {
	id := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			c.seen = append(c.seen, "settings ack")
		} else if !c.quiet {
			_ = c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if f.IsAck() {
			c.seen = append(c.seen, "pong")
		} else {
			c.seen = append(c.seen, "ping")
			if !c.quiet {
				_ = c.framer.WritePing(true, f.Data)
			}
		}
	case *http2.MetaHeadersFrame:
		words := []string{"headers", fmt.Sprint(id), f.PseudoValue("status")}
		for _, field := range f.RegularFields() {
			if strings.HasPrefix(field.Name, "grpc-") {
				words = append(words, field.Name+"="+field.Value)
			}
		}
		c.seen = append(c.seen, strings.Join(words, " "))
	case *http2.DataFrame:
		c.bytes += len(f.Data())
	case *http2.RSTStreamFrame:
		c.seen = append(c.seen, fmt.Sprintf("reset %d %s", id, f.ErrCode))
	case *http2.GoAwayFrame:
		c.seen = append(c.seen, strings.TrimSpace(fmt.Sprintf("goaway %s %s", f.ErrCode, f.DebugData())))
	}
}

// frames returns what was seen and matters.
func (c *raw) frames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.seen), func(s string) bool { return s == "settings ack" })
}

func (c *raw) received() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// call begins a stream; more are headers in place of the usual ones, an empty value leaves one out.
func (c *raw) call(id uint32, end bool, more ...string) {
	c.do(func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(more...), EndHeaders: true, EndStream: end})
	})
}

// block encodes the headers of a call of the method that echoes.
func block(more ...string) []byte {
	names := []string{":method", ":scheme", ":authority", ":path", "content-type", "te"}
	values := map[string]string{
		":method": "POST", ":scheme": "https", ":authority": "outrigger", ":path": echoMethod, "content-type": "application/grpc", "te": "trailers",
	}
	for i := 0; i < len(more); i += 2 {
		if _, known := values[more[i]]; !known {
			names = append(names, more[i])
		}
		values[more[i]] = more[i+1]
	}
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, name := range names {
		if values[name] != "" {
			_ = e.WriteField(hpack.HeaderField{Name: name, Value: values[name]})
		}
	}
	return b.Bytes()
}

// say sends DATA.
func (c *raw) say(id uint32, end bool, data []byte) {
	c.do(func(f *http2.Framer) error { return f.WriteData(id, end, data) })
}

// message frames a message as gRPC does.
func message(body string) []byte {
	size := len(body)
	return append([]byte{0, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}, body...)
}
