package transport

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
)

// holds is how many bytes the server keeps of what its clients have said.
func (r *rig) holds() (said, kept int) {
	for _, c := range r.server.open() {
		c.mu.Lock()
		for _, s := range c.streams {
			said += len(s.in.rest())
			kept += cap(s.in.bytes)
		}
		c.mu.Unlock()
	}
	return said, kept
}

// TestWaitingStreamsHoldLittle: whatever clients have to say, little of it comes before somebody wants to hear it, and then
// all does.
func TestWaitingStreamsHoldLittle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		const connections, size = 2, 2 << 20
		r, streams := held(t)
		var talk sync.WaitGroup
		for range connections {
			conn := r.client()
			for range maxStreams {
				talk.Go(func() {
					want := [][]byte{bytes.Repeat([]byte("x"), size), []byte("and more")}
					got, err := exchange(open(t, t.Context(), conn, echoMethod), want)
					if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
						t.Errorf("%d messages came back: %v", len(got), err)
					}
				})
			}
		}
		synctest.Wait()
		if said, kept := r.holds(); said != connections*maxStreams*narrow || kept != said {
			t.Errorf("%d bytes came, for which %d are kept, want %d for each of %d streams", said, kept, narrow, connections*maxStreams)
		}
		for range connections * maxStreams {
			serveEcho(<-streams)
		}
		talk.Wait()
	})
}

// TestWaitingStreamsEnd: a client that goes while its stream waits takes what it has said with it.
func TestWaitingStreamsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		r, streams := held(t)
		conn := r.client()
		s := open(t, t.Context(), conn, echoMethod)
		if err := s.SendMsg(make([]byte, 2*narrow)); err != nil {
			t.Error(err)
		}
		waiting := <-streams
		synctest.Wait()
		_ = conn.Close()
		synctest.Wait()
		if said, _ := r.holds(); said != 0 || waiting.Context().Err() == nil {
			t.Errorf("%d bytes are left; the stream ended with %v", said, waiting.Context().Err())
		}
	})
}

// TestShortMessagesOfWaitingStreams: what fits into the narrow window is there for who looks.
func TestShortMessagesOfWaitingStreams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		r, streams := held(t)
		s := open(t, t.Context(), r.client(), echoMethod)
		want := [][]byte{make([]byte, narrow-messageHead), []byte("next")}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if got, err := exchange(s, want); err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%d messages came back: %v", len(got), err)
			}
		}()
		waiting := <-streams
		synctest.Wait()
		if came, err := waiting.Receive(func([]byte) {}); !came || err != nil {
			t.Errorf("nothing is there: %v", err)
		}
		if came, err := waiting.Receive(func([]byte) {}); came || err != nil {
			t.Errorf("more is there: %v", err)
		}
		waiting.Send(want[:1])
		serveEcho(waiting)
		<-done
	})
}

// TestWindowsBeforeTheSettings: a client that says something before it has read the server's settings does so by the windows
// that HTTP/2 begins with, and by those of the settings from its answer to them on.
func TestWindowsBeforeTheSettings(t *testing.T) {
	tooMuch := []string{"reset 1 FLOW_CONTROL_ERROR"}
	const early = 60_000
	for name, test := range map[string]struct {
		do   func(c *raw, taken func())
		want []string
	}{
		"as much as may be": {func(c *raw, _ func()) { c.pour(1, firstWindow) }, nil},
		"more":              {func(c *raw, taken func()) { c.pour(1, firstWindow+1); taken() }, []string{"goaway FLOW_CONTROL_ERROR", "closed"}},
		"more in two streams": {func(c *raw, taken func()) {
			c.pour(1, firstWindow)
			c.call(3, false, ":path", waitMethod)
			c.pour(3, 1)
			taken()
		}, []string{"goaway FLOW_CONTROL_ERROR", "closed"}},
		"as much, and an answer":           {func(c *raw, _ func()) { c.pour(1, early); c.agree() }, nil},
		"an answer, and as much as may be": {func(c *raw, _ func()) { c.agree(); c.pour(1, narrow) }, nil},
		"an answer, and more":              {func(c *raw, _ func()) { c.agree(); c.pour(1, narrow+1) }, tooMuch},
		"two answers, and more":            {func(c *raw, _ func()) { c.agree(); c.agree(); c.pour(1, narrow+1) }, tooMuch},
		"early, taken, an answer, and more": {func(c *raw, taken func()) {
			c.pour(1, early)
			taken()
			c.agree()
			c.pour(1, window)
		}, tooMuch},
		"early, and as much as may be once it is taken": {func(c *raw, taken func()) {
			c.pour(1, early)
			c.agree()
			taken()
			c.more(1, window-early)
		}, nil},
		"early, and more once it is taken": {func(c *raw, taken func()) {
			c.pour(1, early)
			c.agree()
			taken()
			c.more(1, window-early+1)
		}, tooMuch},
		"taken early, and as much as may be": {func(c *raw, taken func()) {
			c.pour(1, early)
			taken()
			c.agree()
			synctest.Wait()
			c.more(1, window-early)
		}, nil},
		"taken early, and more": {func(c *raw, taken func()) {
			c.pour(1, early)
			taken()
			c.agree()
			synctest.Wait()
			c.more(1, window-early+1)
		}, tooMuch},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				r, streams := held(t)
				r.quiet = true
				c := r.connect()
				c.call(1, false)
				synctest.Wait()
				test.do(c, func() {
					synctest.Wait()
					(<-streams).Tell(deaf{})
					synctest.Wait()
				})
				synctest.Wait()
				if got := c.frames(); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

// agree answers the server's settings.
func (c *raw) agree() { c.do((*http2.Framer).WriteSettingsAck) }

// TestEarlyWordsWait: what a client says before it has read the server's settings is not read before somebody wants to hear it; then
// all of it is, and a connection that ends meanwhile takes it with it.
func TestEarlyWordsWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		const connections, early = 3, 60_000
		r, streams := held(t)
		r.quiet = true
		var clients []*raw
		for range connections {
			c := r.connect()
			c.call(1, false)
			c.pour(1, early)
			clients = append(clients, c)
		}
		synctest.Wait()
		if said, _ := r.holds(); said == 0 || said > connections*narrow {
			t.Errorf("%d bytes are held of %d connections", said, connections)
		}
		(<-streams).Tell(deaf{})
		synctest.Wait()
		if said, _ := r.holds(); said < early || said > early+(connections-1)*narrow {
			t.Errorf("%d bytes are held, once one of %d may speak", said, connections)
		}
		for _, c := range clients {
			if got := c.frames(); len(got) > 0 {
				t.Errorf("got %q", got)
			}
		}
		now, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.server.Stop(now); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if said, _ := r.holds(); said != 0 {
			t.Errorf("%d bytes are left", said)
		}
	})
}
