package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"
)

// bytesCodec carries bytes as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (bytesCodec) Name() string                       { return "bytes" }

// client is gRPC's own.
func (r *rig) client(options ...grpc.DialOption) *grpc.ClientConn {
	r.tb.Helper()
	options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(clientTLS())),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return r.dial() }),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{}), grpc.MaxCallRecvMsgSize(2*maxMessage)))
	conn, err := grpc.NewClient("passthrough:///test", options...)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

func open(tb testing.TB, ctx context.Context, conn *grpc.ClientConn, method string) grpc.ClientStream {
	tb.Helper()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// exchange sends messages and reads them back, at the same time.
func exchange(s grpc.ClientStream, messages [][]byte) ([][]byte, error) {
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for _, m := range messages {
			if s.SendMsg(m) != nil {
				return // What it ended with is read below.
			}
		}
		_ = s.CloseSend()
	})
	var got [][]byte
	for {
		var m []byte
		if err := s.RecvMsg(&m); errors.Is(err, io.EOF) {
			return got, nil
		} else if err != nil {
			return got, err
		}
		got = append(got, m)
	}
}

// TestEcho: whatever the sizes of messages and windows, and however many streams share the connection, each client reads
// what it has said.
func TestEcho(t *testing.T) {
	for name, r := range map[string]*rig{"memory": inMemory(t, nil), "TCP": overTCP(t)} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(16<<10-20, 16<<10+20), rapid.IntRange(0, 300<<10))
				sizes := rapid.SliceOfN(rapid.SliceOfN(size, 1, 6), 1, 3).Draw(t, "sizes")
				window := rapid.SampledFrom([]int32{64 << 10, 1 << 20}).Draw(t, "window")
				conn := r.client(grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window))
				defer func() { _ = conn.Close() }()
				var streams sync.WaitGroup
				var wrong atomic.Value
				for i, sizes := range sizes {
					streams.Go(func() {
						messages := make([][]byte, len(sizes))
						for j, size := range sizes {
							messages[j] = bytes.Repeat([]byte{byte('a' + i + 7*j)}, size)
						}
						s, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, echoMethod)
						if err == nil {
							var got [][]byte
							if got, err = exchange(s, messages); err == nil && slices.EqualFunc(got, messages, bytes.Equal) {
								return
							}
						}
						wrong.Store([]any{sizes, err})
					})
				}
				streams.Wait()
				if w := wrong.Load(); w != nil {
					t.Fatalf("not what was said: %v", w)
				}
			})
		})
	}
}

// TestLongMessages: a message may be longer than the window, as long as the limit.
func TestLongMessages(t *testing.T) {
	r := overTCP(t)
	for _, size := range []int{window - messageHead, window - messageHead + 1, 2 * window, maxMessage} {
		messages := [][]byte{bytes.Repeat([]byte("x"), size), []byte("short"), bytes.Repeat([]byte("y"), size)}
		got, err := exchange(open(t, t.Context(), r.client(), echoMethod), messages)
		if err != nil || !slices.EqualFunc(got, messages, bytes.Equal) {
			t.Errorf("%d bytes: %d messages, %v", size, len(got), err)
		}
	}
	_, err := exchange(open(t, t.Context(), r.client(), echoMethod), [][]byte{make([]byte, maxMessage+1)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one byte more: %v", err)
	}
}

// TestStatus: gRPC's client reads the status as it was given, details included.
func TestStatus(t *testing.T) {
	r := inMemory(t, nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer x", "authorization", "Bearer y")
	_, err := exchange(open(t, ctx, r.client(), endMethod), nil)
	if got := status.Convert(err); got.Code() != codes.PermissionDenied || got.Message() != "the door is shut: 100% — Bearer x,Bearer y" {
		t.Errorf("got %v", got)
	}
}

// parts notes what its owner is told.
type parts struct {
	readable, sent atomic.Int32
}

func (p *parts) Readable() { p.readable.Add(1) }
func (p *parts) Sent()     { p.sent.Add(1) }
func (p *parts) Ahead(int) {}

// TestSlowReader: Send never waits, says whether all is on its way, and Sent comes once when it is; what a stream may
// not send for its window does not stop another one.
func TestSlowReader(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		streams := make(chan *Stream, 2)
		r := inMemory(t, func(c *Config) { c.Methods = map[string]func(*Stream){echoMethod: func(s *Stream) { streams <- s }} })
		c := r.connect(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
		c.call(1, false)
		slow := <-streams
		told := &parts{}
		slow.Tell(told)
		if slow.Send([][]byte{make([]byte, 2000)}) {
			t.Error("all is sent beyond the window")
		}
		synctest.Wait()
		if c.received() != 1000 || told.sent.Load() != 0 {
			t.Errorf("%d bytes came, told %d times", c.received(), told.sent.Load())
		}
		c.call(3, false)
		other := <-streams
		other.Send([][]byte{make([]byte, 100)})
		synctest.Wait()
		if c.received() != 1105 {
			t.Errorf("%d bytes came with the other stream's", c.received())
		}
		c.widen(1, 1004)
		synctest.Wait()
		if c.received() != 2109 || told.sent.Load() != 0 {
			t.Errorf("%d bytes came, told %d times", c.received(), told.sent.Load())
		}
		c.set(http2.SettingInitialWindowSize, 1001)
		synctest.Wait()
		if c.received() != 2110 || told.sent.Load() != 1 {
			t.Errorf("%d bytes came, told %d times", c.received(), told.sent.Load())
		}
		slow.End(nil)
		other.End(status.Error(codes.Unavailable, "draining"))
		synctest.Wait()
		want := []string{
			"headers 1 200", "headers 3 200", "headers 1  grpc-status=0", "reset 1 NO_ERROR",
			"headers 3  grpc-status=14 grpc-message=draining", "reset 3 NO_ERROR",
		}
		if got := c.frames(); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// TestCutMessage: a stream that ends in the middle of a message is reset, as no status may follow half a message; one that ends
// between two has its status.
func TestCutMessage(t *testing.T) {
	for name, test := range map[string]struct {
		window uint32
		want   []string
	}{
		"in a message":      {1000, []string{"headers 1 200", "reset 1 REFUSED_STREAM"}},
		"in the second":     {605, []string{"headers 1 200", "reset 1 REFUSED_STREAM"}},
		"between messages":  {600, []string{"headers 1 200", "headers 1  grpc-status=14 grpc-message=away", "reset 1 NO_ERROR"}},
		"before a message":  {0, []string{"headers 1 200", "headers 1  grpc-status=14 grpc-message=away", "reset 1 NO_ERROR"}},
		"after the message": {1 << 20, []string{"headers 1 200", "headers 1  grpc-status=14 grpc-message=away", "reset 1 NO_ERROR"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				r, streams := held(t)
				c := r.connect(http2.Setting{ID: http2.SettingInitialWindowSize, Val: test.window})
				c.call(1, false)
				s := <-streams
				s.Send([][]byte{make([]byte, 300-messageHead)}, [][]byte{make([]byte, 300-messageHead)}, [][]byte{make([]byte, 1000)})
				synctest.Wait()
				s.End(status.Error(codes.Unavailable, "away"))
				synctest.Wait()
				if got := c.frames(); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

// TestUnreadSocket: a client that reads nothing from its connection, whose windows are wide open, stops neither who sends
// nor who answers its pings; it is left once the answers are too many.
func TestUnreadSocket(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		streams := make(chan *Stream, 1)
		r := inMemory(t, func(c *Config) { c.Methods = map[string]func(*Stream){echoMethod: func(s *Stream) { streams <- s }} })
		c := r.connect(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		c.widen(0, 1<<30)
		c.call(1, false)
		s := <-streams
		told := &parts{}
		s.Tell(told)
		synctest.Wait()
		pause := make(chan struct{})
		c.mu.Lock()
		c.pause = pause // Its reader waits from the next frame on.
		c.mu.Unlock()
		big := [][]byte{make([]byte, 1<<20)}
		for range 5 {
			if s.Send(big) {
				t.Error("1 MB is on its way to who reads nothing")
			}
		}
		synctest.Wait() // What fits on the way is on it.
		for range maxIdleFrames - 100 {
			c.do(func(f *http2.Framer) error { return f.WriteSettings() })
		}
		synctest.Wait()
		if told.readable.Load() != 1 {
			t.Errorf("the owner was told %d times of the end", told.readable.Load())
		}
		if _, err := s.Receive(func([]byte) {}); err == nil || s.Context().Err() == nil {
			t.Errorf("the stream goes on: %v", err)
		}
		close(pause)
	})
}

// TestClientGone: an owner is told of the end, once, whichever it is, and nothing that it does then does harm.
func TestClientGone(t *testing.T) {
	for name, leave := range map[string]func(c *raw){
		"a reset":   func(c *raw) { c.do(func(f *http2.Framer) error { return f.WriteRSTStream(1, http2.ErrCodeCancel) }) },
		"the close": func(c *raw) { _ = c.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				streams := make(chan *Stream, 1)
				r := inMemory(t, func(c *Config) { c.Methods = map[string]func(*Stream){echoMethod: func(s *Stream) { streams <- s }} })
				c := r.connect()
				c.call(1, false)
				c.say(1, false, message("a last word"))
				s := <-streams
				synctest.Wait()
				told := &parts{}
				s.Tell(told) // What came before is not told.
				leave(c)
				synctest.Wait()
				if told.readable.Load() != 1 || s.Context().Err() == nil {
					t.Errorf("told %d times, %v", told.readable.Load(), s.Context().Err())
				}
				if _, err := s.Receive(func([]byte) {}); status.FromContextError(err).Code() != codes.Canceled {
					t.Errorf("received %v", err)
				}
				if !s.Send([][]byte{[]byte("too late")}) {
					t.Error("it waits for who is gone")
				}
				s.End(nil)
				s.End(nil)
				synctest.Wait()
				if got := c.received(); got != 0 {
					t.Errorf("%d bytes came", got)
				}
			})
		})
	}
}
