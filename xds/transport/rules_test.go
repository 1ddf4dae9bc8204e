package transport

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
)

// TestRules: what breaks HTTP/2 or gRPC gets the answer of their documents, and nothing else.
func TestRules(t *testing.T) {
	answered := []string{"headers 1 200", "headers 1  grpc-status=0"}
	goaway := func(code string) []string { return []string{"goaway " + code, "closed"} }
	reset := func(code string) []string { return []string{"reset 1 " + code} }
	status := func(code int, message string) []string {
		return []string{fmt.Sprintf("headers 1 200 grpc-status=%d grpc-message=%s", code, message)}
	}
	tests := map[string]struct {
		do   func(c *raw)
		want []string
	}{
		"a call": {func(c *raw) { c.call(1, false); c.say(1, true, message("hello")) }, answered},
		"a call in pieces": {func(c *raw) {
			c.call(1, false)
			for _, b := range message("hello") {
				c.say(1, false, []byte{b})
			}
			c.say(1, true, nil)
		}, answered},
		"two messages in one frame": {func(c *raw) {
			c.call(1, false)
			c.say(1, true, append(message("hello"), message("there")...))
		}, answered},
		"padding": {func(c *raw) {
			c.call(1, false)
			c.do(func(f *http2.Framer) error { return f.WriteDataPadded(1, true, message("hello"), make([]byte, 200)) })
		}, answered},
		"more padding than frame": {func(c *raw) {
			c.call(1, false)
			c.do(func(f *http2.Framer) error {
				return f.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{9, 1})
			})
		}, goaway("PROTOCOL_ERROR")},
		"headers in pieces": {func(c *raw) {
			b := block()
			c.do(func(f *http2.Framer) error {
				_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:3]})
				_ = f.WriteContinuation(1, false, b[3:9])
				return f.WriteContinuation(1, true, b[9:])
			})
			c.say(1, true, message("hello"))
		}, answered},
		"the end by headers": {func(c *raw) {
			c.call(1, false)
			c.say(1, false, message("hello"))
			c.do(func(f *http2.Framer) error {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true})
			})
		}, answered},
		"unknown frames and settings": {func(c *raw) {
			c.do(func(f *http2.Framer) error {
				_ = f.WriteRawFrame(0x42, 0xff, 0, []byte("what"))
				_ = f.WritePriority(7, http2.PriorityParam{Weight: 3})
				return f.WriteSettings(http2.Setting{ID: 0x99, Val: 1})
			})
			c.call(1, false)
			c.say(1, true, message("hello"))
		}, answered},
		"an answer to a ping": {func(c *raw) { c.do(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{1}) }) }, []string{"pong"}},

		"GET":                    {func(c *raw) { c.call(1, true, ":method", "GET") }, []string{"headers 1 405"}},
		"no gRPC":                {func(c *raw) { c.call(1, true, "content-type", "application/grpcish") }, []string{"headers 1 415"}},
		"gRPC with an encoding":  {func(c *raw) { c.call(1, true, "content-type", "application/grpc+proto") }, []string{"headers 1 200 grpc-status=0"}},
		"no such method":         {func(c *raw) { c.call(1, true, ":path", "/no/such") }, status(12, "there is no method /no/such")},
		"a compressed call":      {func(c *raw) { c.call(1, true, "grpc-encoding", "gzip") }, status(12, "compressed messages are not read")},
		"an unreadable timeout":  {func(c *raw) { c.call(1, true, "grpc-timeout", "soon") }, status(13, "the header grpc-timeout cannot be read")},
		"an end that says why":   {func(c *raw) { c.call(1, true, ":path", endMethod, "authorization", "me") }, status(7, "the door is shut: 100%25 %E2%80%94 me")},
		"headers without end":    {func(c *raw) { c.call(1, true, "x", strings.Repeat("x", 16<<10-100)) }, []string{"headers 1 431"}},
		"no path":                {func(c *raw) { c.call(1, true, ":path", "") }, reset("PROTOCOL_ERROR")},
		"a header of HTTP/1":     {func(c *raw) { c.call(1, true, "connection", "close") }, reset("PROTOCOL_ERROR")},
		"te":                     {func(c *raw) { c.call(1, true, "te", "gzip") }, reset("PROTOCOL_ERROR")},
		"a header in upper case": {func(c *raw) { c.call(1, true, "Upper", "case") }, reset("PROTOCOL_ERROR")},
		"a compressed message": {
			func(c *raw) { c.call(1, false); c.say(1, true, append([]byte{1}, message("hello")[1:]...)) },
			status(12, "compressed messages are not read"),
		},
		"too long a message": {
			func(c *raw) { c.call(1, false); c.say(1, false, []byte{0, 1, 0, 0, 0}) },
			append(status(8, "the message has 16777216 bytes, at most 4194304 are read"), "reset 1 NO_ERROR"),
		},

		"DATA after the end":          {func(c *raw) { c.call(1, true, ":path", deafMethod); c.say(1, false, message("more")) }, reset("STREAM_CLOSED")},
		"headers twice":               {func(c *raw) { c.call(1, false); c.call(1, false) }, reset("PROTOCOL_ERROR")},
		"a window too wide":           {func(c *raw) { c.call(1, false); c.widen(1, 1<<31-1) }, reset("FLOW_CONTROL_ERROR")},
		"a window widened by 0":       {func(c *raw) { c.call(1, false); c.widen(1, 0) }, reset("PROTOCOL_ERROR")},
		"more than a stream's window": {func(c *raw) { c.flood(1, window+1) }, reset("FLOW_CONTROL_ERROR")},
		"DATA for a stream that is over": {func(c *raw) {
			c.call(1, true)
			synctest.Wait()
			c.say(1, true, nil)
			c.widen(1, 1)
		}, []string{"headers 1 200 grpc-status=0"}},

		"DATA on no stream":       {func(c *raw) { c.say(0, false, nil) }, goaway("PROTOCOL_ERROR")},
		"DATA before headers":     {func(c *raw) { c.say(1, false, nil) }, goaway("PROTOCOL_ERROR")},
		"a window before headers": {func(c *raw) { c.widen(1, 1) }, goaway("PROTOCOL_ERROR")},
		"a reset before headers":  {func(c *raw) { c.do(func(f *http2.Framer) error { return f.WriteRSTStream(1, 0) }) }, goaway("PROTOCOL_ERROR")},
		"an even stream":          {func(c *raw) { c.call(2, false) }, goaway("PROTOCOL_ERROR")},
		"an old stream":           {func(c *raw) { c.call(5, true); synctest.Wait(); c.call(3, true) }, append([]string{"headers 5 200 grpc-status=0"}, goaway("PROTOCOL_ERROR")...)},
		"a promise": {func(c *raw) {
			c.do(func(f *http2.Framer) error {
				return f.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: block(), EndHeaders: true})
			})
		}, goaway("PROTOCOL_ERROR")},
		"CONTINUATION of nothing": {func(c *raw) { c.do(func(f *http2.Framer) error { return f.WriteContinuation(1, true, nil) }) }, goaway("PROTOCOL_ERROR")},
		"headers that are none": {func(c *raw) {
			c.do(func(f *http2.Framer) error {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("\xff\xff\xff\xff\xff"), EndHeaders: true})
			})
		}, goaway("COMPRESSION_ERROR")},
		"too long a frame":           {func(c *raw) { c.call(1, false); c.say(1, false, make([]byte, 16<<10+1)) }, goaway("FRAME_SIZE_ERROR")},
		"a window beyond all":        {func(c *raw) { c.widen(0, 1<<31-1) }, goaway("FLOW_CONTROL_ERROR")},
		"an impossible first window": {func(c *raw) { c.set(http2.SettingInitialWindowSize, 1<<31) }, goaway("FLOW_CONTROL_ERROR")},
		"an impossible frame size":   {func(c *raw) { c.set(http2.SettingMaxFrameSize, 1) }, goaway("PROTOCOL_ERROR")},
		"many pings": {func(c *raw) {
			for range 5 {
				c.do(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
			}
		}, slices.Concat([]string{"pong", "pong", "pong"}, goaway("ENHANCE_YOUR_CALM too_many_pings"))},
		"frames without end that say nothing": {func(c *raw) {
			c.call(1, false)
			for range maxIdleFrames + 1 {
				c.say(1, false, nil)
			}
		}, goaway("ENHANCE_YOUR_CALM keeps the server busy with nothing")},
		"streams without end": {func(c *raw) {
			for id := range uint32(maxStreams) {
				c.call(2*id+1, false, ":path", deafMethod)
			}
			synctest.Wait()
			for id := range uint32(maxRefused + 1) {
				c.call(2*(id+maxStreams)+1, false, ":path", deafMethod)
			}
		}, goaway("ENHANCE_YOUR_CALM keeps the server busy with nothing")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				c := inMemory(t, nil).connect()
				test.do(c)
				synctest.Wait()
				got := slices.DeleteFunc(c.frames(), func(s string) bool { return strings.HasSuffix(s, "REFUSED_STREAM") })
				if !slices.Equal(got, test.want) {
					t.Errorf("got  %q\nwant %q", got, test.want)
				}
			})
		})
	}
}

func (c *raw) widen(id, by uint32) {
	c.do(func(f *http2.Framer) error { return f.WriteWindowUpdate(id, by) })
}

func (c *raw) set(id http2.SettingID, value uint32) {
	c.do(func(f *http2.Framer) error { return f.WriteSettings(http2.Setting{ID: id, Val: value}) })
}

// flood sends so many bytes to a stream that takes none.
func (c *raw) flood(id uint32, size int) {
	c.call(id, false, ":path", deafMethod)
	synctest.Wait()
	c.pour(id, size)
}

// pour sends so many bytes of short messages.
func (c *raw) pour(id uint32, size int) {
	head := []byte{0, 0, 0, 0, 9}
	head = head[:min(size, len(head))]
	c.say(id, false, head)
	c.more(id, size-len(head))
}

// more sends so many bytes of what was begun.
func (c *raw) more(id uint32, size int) {
	for size > 0 {
		n := min(size, frameBytes)
		c.say(id, false, make([]byte, n))
		size -= n
	}
}

// TestPreface: who does not begin as HTTP/2 does is not served.
func TestPreface(t *testing.T) {
	for name, begin := range map[string]func(f *http2.Framer) error{
		"a ping":                   func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) },
		"an answer to no settings": func(f *http2.Framer) error { return f.WriteSettingsAck() },
		"headers": func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(), EndHeaders: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				c := inMemory(t, nil).begin(begin)
				synctest.Wait()
				if got, want := c.frames(), []string{"goaway PROTOCOL_ERROR", "closed"}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		})
	}
}
