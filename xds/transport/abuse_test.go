package transport

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// held starts a server whose calls wait in a channel for the test.
func held(tb testing.TB) (*rig, chan *Stream) {
	tb.Helper()
	streams := make(chan *Stream, 100)
	return inMemory(tb, func(c *Config) {
		c.Methods[echoMethod] = func(s *Stream) { streams <- s }
	}), streams
}

// only returns the server's side of the one connection.
func (r *rig) only() *connection {
	r.tb.Helper()
	open := r.server.open()
	if len(open) != 1 {
		r.tb.Fatalf("%d connections", len(open))
	}
	return open[0]
}

// TestNarrowedWindow: a stream whose window is taken back while it waits to send waits on, and sends all in the end.
func TestNarrowedWindow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		r, streams := held(t)
		c := r.connect(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		c.call(1, false)
		s := <-streams
		s.Send([][]byte{make([]byte, 200_000)})
		synctest.Wait()
		c.set(http2.SettingInitialWindowSize, 0)
		c.widen(0, 1<<20)
		synctest.Wait()
		if c.received() != firstWindow {
			t.Errorf("%d bytes came through windows of %d", c.received(), firstWindow)
		}
		c.set(http2.SettingInitialWindowSize, 1<<20)
		synctest.Wait()
		if c.received() != 200_000+messageHead {
			t.Errorf("%d bytes came", c.received())
		}
	})
}

// TestEndedStreamsLeaveNothing: what a stream could not send goes with it, whoever ends it, and nothing is said of it then.
func TestEndedStreamsLeaveNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		r, streams := held(t)
		c := r.connect(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		for i := range uint32(100) {
			c.call(2*i+1, false)
			s := <-streams
			s.Send([][]byte{make([]byte, 200_000)})
			if i%2 == 0 {
				s.End(nil)
			} else {
				c.do(func(f *http2.Framer) error { return f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) })
			}
			synctest.Wait()
		}
		w := &r.only().writer
		if len(w.ready) > 0 || len(w.waiting) > 0 || len(r.only().streams) > 0 {
			t.Errorf("%d streams are ready, %d wait", len(w.ready), len(w.waiting))
		}
		before := c.received()
		c.widen(0, 1<<20)
		synctest.Wait()
		if c.received() != before {
			t.Error("a stream that is over sends")
		}
	})
}

// TestCrossedGoAway: a stream that was begun before its client knew better is left alone, and the others go on.
func TestCrossedGoAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		r := inMemory(t, nil)
		c := r.connect()
		c.call(1, false)
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- r.server.Stop(context.Background()) }()
		synctest.Wait()
		c.call(3, false)
		c.say(3, false, message("hello"))
		c.do(func(f *http2.Framer) error { return f.WriteRSTStream(3, http2.ErrCodeCancel) })
		c.say(1, true, message("the last"))
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got, want := c.frames(), []string{"goaway NO_ERROR", "headers 1 200", "headers 1  grpc-status=0", "closed"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// TestCrossedEnd: a client's end that crosses the server's is no fault.
func TestCrossedEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		r, streams := held(t)
		c := r.connect()
		c.call(1, false)
		(<-streams).End(nil)
		synctest.Wait()
		c.do(func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true})
		})
		c.call(3, false)
		(<-streams).End(nil)
		synctest.Wait()
		if got := c.frames(); slices.Contains(got, "closed") {
			t.Errorf("got %q", got)
		}
	})
}

// TestQuietWeeks: a client that says nothing but that it is there is not taken for one that floods.
func TestQuietWeeks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		c := inMemory(t, nil).connect()
		c.call(1, false, ":path", deafMethod)
		for range 14 * 24 * 120 {
			advance(30 * time.Second)
			c.do(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
		}
		synctest.Wait()
		if got := c.frames(); slices.Contains(got, "closed") {
			t.Errorf("after %d frames: %q", len(got), got[len(got)-3:])
		}
	})
}

// TestFloods: who makes the server answer, and does not read, is left before that costs memory, also before anybody knows
// who it is.
func TestFloods(t *testing.T) {
	for name, flood := range map[string]func(c *raw, i uint32){
		"windows of nothing": func(c *raw, _ uint32) { c.widen(1, 0) },
		"calls that are refused": func(c *raw, i uint32) {
			c.call(2*i+3, false, ":path", endMethod)
			c.say(2*i+3, false, []byte{0})
		},
		"calls that are none": func(c *raw, i uint32) { c.call(2*i+3, true, ":method", "GET") },
		"a byte at a time":    func(c *raw, _ uint32) { c.say(1, false, []byte{0}) },
		"headers without end": func(c *raw, i uint32) {
			c.do(func(f *http2.Framer) error {
				if i == 0 {
					return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3})
				}
				return f.WriteContinuation(3, false, nil)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				r := inMemory(t, nil)
				c := r.connect()
				c.call(1, false, ":path", deafMethod)
				synctest.Wait()
				mine := r.only()
				pause := make(chan struct{})
				defer close(pause)
				c.mu.Lock()
				c.pause = pause
				c.mu.Unlock()
				for i := range uint32(3 * maxIdleFrames) {
					if i%8 == 0 {
						synctest.Wait()
					}
					if mine.ended() {
						return
					}
					flood(c, i)
				}
				t.Errorf("%d bytes wait, and the client is still there", len(mine.writer.frames))
			})
		})
	}
}

func (c *connection) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// stuck is a connection whose client reads nothing.
type stuck struct {
	net.Conn
	closed chan struct{}
}

func (s stuck) Write([]byte) (int, error)      { <-s.closed; return 0, net.ErrClosed }
func (stuck) SetReadDeadline(time.Time) error  { return nil }
func (stuck) SetWriteDeadline(time.Time) error { return nil }

// TestSocketKeepsLittle: what TLS answers by itself to a client that does not read, as to updates of its key, is bounded.
func TestSocketKeepsLittle(t *testing.T) {
	var work sync.WaitGroup
	conn := stuck{closed: make(chan struct{})}
	s := newSocket(conn, &work)
	s.drained, s.broken = func() {}, func(error) {}
	var err error
	for range maxKept {
		if _, err = s.Write(make([]byte, 40)); err != nil {
			break
		}
	}
	s.mu.Lock()
	kept := len(s.kept)
	s.mu.Unlock()
	if !errors.Is(err, errUnread) || kept > maxKept {
		t.Errorf("%d bytes are kept: %v", kept, err)
	}
	close(conn.closed)
	work.Wait()
}

// TestForgetsHeaders: each block says that nothing is to be remembered of it, for clients that want a small table (RFC 7541 4.2).
func TestForgetsHeaders(t *testing.T) {
	const update = 0x20
	for range 2 {
		if b := encode(startOfAnswer()); b[0] != update {
			t.Errorf("a block begins with %#x", b[0])
		}
	}
}

// logged is a log of a test.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger(c *Config) { c.Logger = slog.New(slog.NewTextHandler(l, nil)) }

// TestFaults: a fault of ours ends its stream, or its connection, is logged, and nobody else notices.
func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		method func(*Stream)
		want   []string
	}{
		"in a call":   {func(*Stream) { panic("a fault") }, []string{"headers 1 200 grpc-status=13 grpc-message=internal error", "reset 1 NO_ERROR"}},
		"when told":   {func(s *Stream) { s.Tell(faulty{}) }, []string{"closed"}},
		"by a reader": {func(s *Stream) { s.Tell(&faultyReader{s}) }, []string{"closed"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				var logs logged
				r := inMemory(t, func(c *Config) {
					c.Methods[deafMethod] = test.method
					logs.logger(c)
				})
				c, other := r.connect(), r.connect()
				c.call(1, false, ":path", deafMethod)
				synctest.Wait()
				c.say(1, false, message("hello"))
				other.call(1, false)
				other.say(1, true, message("hello"))
				synctest.Wait()
				if got := c.frames(); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if other.received() == 0 || !strings.Contains(logs.String(), "transport panicked") {
					t.Errorf("another got %q; logged %s", other.frames(), logs.String())
				}
			})
		})
	}
}

// faulty fails when it is told something; faultyReader while a message is read.
type (
	faulty       struct{}
	faultyReader struct{ stream *Stream }
)

func (faulty) Readable() { panic("a fault") }
func (faulty) Sent()     {}
func (faulty) Ahead(int) {}

func (f *faultyReader) Readable() { _, _ = f.stream.Receive(func([]byte) { panic("a fault") }) }
func (f *faultyReader) Sent()     {}
func (f *faultyReader) Ahead(int) {}

// TestEndsAreLogged: operators see why clients are left, or cannot connect; what is usual is not logged.
func TestEndsAreLogged(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(r *rig)
		want string
	}{
		"no TLS": {func(r *rig) {
			conn, err := r.dial()
			if err != nil {
				r.tb.Fatal(err)
			}
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			synctest.Wait()
			_ = conn.Close()
		}, "handshake: tls: first record does not look like a TLS handshake"},
		"pings": {func(r *rig) {
			c := r.connect()
			for range 5 {
				c.do(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
			}
		}, "too_many_pings"},
		"a client that goes": {func(r *rig) { _ = r.connect().conn.Close() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				var logs logged
				test.do(inMemory(t, logs.logger))
				synctest.Wait()
				if got := logs.String(); !strings.Contains(got, test.want) || test.want == "" && got != "" {
					t.Errorf("logged %q, want %q", got, test.want)
				}
			})
		})
	}
}

// TestTimeouts: the longest that gRPC's header can say is long, and not none.
func TestTimeouts(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond, "99999999u": 99999999 * time.Microsecond, "1n": 1,
		"": 0, "99999999H": 2562047 * time.Hour, "2562048H": 2562047 * time.Hour,
	} {
		if got, ok := timeoutOf(value); !ok || got != want {
			t.Errorf("%q is %s, %t", value, got, ok)
		}
	}
	for _, value := range []string{"H", "0S", "123456789S", "-1S", "1 S", "1.5S", "1s"} {
		if got, ok := timeoutOf(value); ok {
			t.Errorf("%q is %s", value, got)
		}
	}
}
