package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// chopped is a connection whose bytes leave in pieces of given sizes, again and again.
type chopped struct {
	net.Conn

	sizes []int
	next  int
}

func (c *chopped) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; c.next++ {
		n, err := c.Conn.Write(rest[:min(len(rest), c.sizes[c.next%len(c.sizes)])])
		if err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// cuts draws sizes of pieces.
func cuts(t *rapid.T, name string) []int {
	return rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 20_000)), 1, 6).Draw(t, name)
}

// conversation is all that a client says on one stream: headers in several frames, messages in several frames, some padded,
// and other frames between them.
func conversation(t *rapid.T, messages [][]byte) []byte {
	var b bytes.Buffer
	f := http2.NewFramer(&b, nil)
	b.WriteString(http2.ClientPreface)
	wrote := []error{f.WriteSettings()}
	headers := block("x-long", strings.Repeat("long", 1000))
	first := rapid.IntRange(0, len(headers)).Draw(t, "first headers")
	wrote = append(wrote, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers[:first], EndHeaders: false}))
	second := rapid.IntRange(first, len(headers)).Draw(t, "second headers")
	wrote = append(wrote, f.WriteContinuation(1, false, headers[first:second]), f.WriteContinuation(1, true, headers[second:]))
	said := slices.Concat(messages...)
	window := firstWindow - len(said)
	for len(said) > 0 {
		size := min(len(said), rapid.OneOf(rapid.IntRange(10, 100), rapid.IntRange(1, frameBytes-256)).Draw(t, "frame"))
		pad := make([]byte, rapid.IntRange(0, min(255, max(0, window-1))).Draw(t, "padding"))
		window -= len(pad) + 1
		wrote = append(wrote, f.WriteDataPadded(1, size == len(said), said[:size], pad))
		if rapid.Bool().Draw(t, "between") {
			wrote = append(wrote, f.WriteWindowUpdate(0, 1), f.WritePriority(1, http2.PriorityParam{}))
		}
		said = said[size:]
	}
	if err := errors.Join(wrote...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// answers reads frames until the stream ends, and returns its data.
func answers(conn net.Conn) ([]byte, error) {
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(headerTable, nil)
	var data []byte
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return data, err
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return data, fmt.Errorf("got %v", frame)
		case *http2.DataFrame:
			data = append(data, frame.Data()...)
		case *http2.MetaHeadersFrame:
			if frame.StreamEnded() {
				return data, nil
			}
		}
	}
}

// TestPieces: into whatever records and segments a client's words are cut, all of them are read, in order, by whichever reader.
func TestPieces(t *testing.T) {
	for name, r := range map[string]*rig{"memory": inMemory(t, nil), "TCP": overTCP(t)} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var want [][]byte
				for range rapid.IntRange(1, 4).Draw(t, "messages") {
					want = append(want, message(strings.Repeat("m", rapid.IntRange(0, 12_000).Draw(t, "message"))))
				}
				said := conversation(t, want)
				plain, err := r.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = plain.Close() }()
				conn := tls.Client(&chopped{Conn: plain, sizes: cuts(t, "segments")}, clientTLS())
				go func() { _, _ = (&chopped{Conn: conn, sizes: cuts(t, "records")}).Write(said) }()
				if got, err := answers(conn); err != nil || !bytes.Equal(got, slices.Concat(want...)) {
					t.Fatalf("%d bytes came back of %d: %v", len(got), len(slices.Concat(want...)), err)
				}
			})
		})
	}
}

// TestNext: a frame is known as such by its last byte and not before, and never more is waited for than what lacks.
func TestNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := conversation(t, [][]byte{message(strings.Repeat("m", rapid.IntRange(0, 30_000).Draw(t, "message")))})
		said = said[len(http2.ClientPreface):]
		for len(said) > 0 {
			size, lacks := next(said)
			if size == 0 {
				t.Fatalf("%d bytes are left that are no frame, %d lack", len(said), lacks)
			}
			for have := 0; have < size; {
				half, lacks := next(said[:have])
				if half != 0 || lacks <= 0 || have+lacks > size {
					t.Fatalf("of a frame of %d bytes %d have come: %d are one, %d lack", size, have, half, lacks)
				}
				have += rapid.IntRange(1, lacks).Draw(t, "more")
			}
			said = said[size:]
		}
	})
}

// TestBlocksAreBounded: a block of headers that does not end is not waited for without end, in many frames or in long ones.
func TestBlocksAreBounded(t *testing.T) {
	for size, most := range map[int]int{0: maxBlockFrames, frameBytes: maxBlock / frameBytes} {
		var b bytes.Buffer
		f := http2.NewFramer(&b, nil)
		err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, size)})
		for frames := 1; frames < most; frames++ {
			if got, _ := next(b.Bytes()); got != 0 {
				t.Fatalf("%d frames of %d bytes are taken for a block", frames, size)
			}
			err = errors.Join(err, f.WriteContinuation(1, false, make([]byte, size)))
		}
		if got, _ := next(b.Bytes()); got != b.Len() || err != nil {
			t.Errorf("%d frames of %d bytes: %d of %d are taken, %v", most, size, got, b.Len(), err)
		}
	}
}

// TestEarlyWordsGoOn: what had to wait for an owner is read once there is one, whether the reader had left it by then or was at it.
func TestEarlyWordsGoOn(t *testing.T) {
	const calls, messages = 200, 12
	streams := make(chan *Stream, 1)
	r := overTCP(t)
	r.server.config.Methods[echoMethod] = func(s *Stream) { streams <- s }
	want := slices.Repeat([][]byte{message(strings.Repeat("m", narrow))}, messages)
	for range calls {
		plain, err := r.dial()
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(plain, clientTLS())
		var b bytes.Buffer
		f := http2.NewFramer(&b, nil)
		b.WriteString(http2.ClientPreface)
		err = errors.Join(f.WriteSettings(), f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(), EndHeaders: true}))
		for i, m := range want {
			err = errors.Join(err, f.WriteData(1, i == messages-1, m))
		}
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = conn.Write(b.Bytes()) }()
		serveEcho(<-streams)
		if got, err := answers(conn); err != nil || !bytes.Equal(got, slices.Concat(want...)) {
			t.Fatalf("%d bytes came back: %v", len(got), err)
		}
		_ = plain.Close()
	}
}

// TestPauseLooksAgain: a reader that is about to leave a connection stays where an owner has come meanwhile, who will not call it back.
func TestPauseLooksAgain(t *testing.T) {
	c := &connection{streams: map[uint32]*Stream{1: {id: 1}}}
	c.input.kept = appendHead(nil, narrow+1, http2.FrameData, 0, 1)
	if !c.pause() {
		t.Error("what has no owner is read")
	}
	c.streams[1].events = deaf{}
	if c.pause() || c.paused {
		t.Error("what has an owner is left")
	}
}

// TestLastWords: what a client says as it goes is read, and then that it went, in whatever order the two are noticed.
func TestLastWords(t *testing.T) {
	const calls = 300
	l := &listener{listens: make(chan struct{}, 1), heard: make(chan string, 1), gone: make(chan error, 1)}
	r := overTCP(t)
	r.server.config.Methods[deafMethod] = l.serve
	for range calls {
		c := r.connect()
		c.call(1, false, ":path", deafMethod)
		<-l.listens
		c.say(1, false, message("the last"))
		if err := c.conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if word, err := <-l.heard, <-l.gone; word != "the last" || !errors.Is(err, context.Canceled) {
			t.Fatalf("heard %q, then %v", word, err)
		}
	}
}

// listener serves one call after the other, and says what it hears.
type listener struct {
	stream  *Stream
	listens chan struct{}
	heard   chan string
	gone    chan error
}

func (l *listener) serve(s *Stream) {
	l.stream = s
	s.Tell(l)
	l.listens <- struct{}{}
}

func (l *listener) Sent() {}

func (l *listener) Ahead(int) {}

func (l *listener) Readable() {
	for {
		ok, err := l.stream.Receive(func(m []byte) { l.heard <- string(m) })
		if err != nil {
			l.stream.End(err)
			l.gone <- err
			return
		}
		if !ok {
			return
		}
	}
}
