package transport

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// advance lets so much time go by.
func advance(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// TestTimes: what ends a connection is the time that its client does nothing, or its age, and each has its word.
func TestTimes(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		do     func(c *raw)
		want   []string
	}{
		"no stream": {do: func(*raw) { advance(idleTime - time.Second) }},
		"no stream for long": {
			do:   func(*raw) { advance(idleTime + time.Second) },
			want: []string{"goaway NO_ERROR", "closed"},
		},
		"a stream": {
			do:   func(c *raw) { c.call(1, false, ":path", deafMethod); advance(10 * time.Minute) },
			want: slices.Repeat([]string{"ping"}, 10), // Its answer is a word of the client, too.
		},
		"no stream any more": {
			do: func(c *raw) {
				c.call(1, false)
				advance(10 * time.Second)
				c.say(1, true, nil)
				advance(idleTime + silence)
			},
			want: []string{"headers 1 200 grpc-status=0", "ping", "goaway NO_ERROR", "closed"},
		},
		"no word": {
			do: func(c *raw) {
				c.call(1, false, ":path", deafMethod)
				c.hush()
				advance(3*silence + time.Second)
			},
			want: []string{"ping", "goaway NO_ERROR", "closed"},
		},
		"too old": {
			change: func(c *Config) { c.MaxAge = time.Hour },
			do: func(c *raw) {
				c.call(1, false, ":path", deafMethod)
				advance(time.Hour * 11 / 10)
				c.call(3, false, ":path", deafMethod) // It is not answered: the client knows, and goes elsewhere.
				advance(ageGrace)
			},
			want: []string{"goaway NO_ERROR max_age", "closed"},
		},
		"too old without a stream": {
			change: func(c *Config) { c.MaxAge = 30 * time.Second },
			do:     func(*raw) { advance(33 * time.Second) },
			want:   []string{"goaway NO_ERROR max_age", "closed"},
		},
		"a call that takes too long": {
			do: func(c *raw) {
				c.call(1, false, "grpc-timeout", "100m", ":path", deafMethod)
				advance(time.Second)
			},
			want: []string{"reset 1 CANCEL"},
		},
		"pings with a pause": {
			do: func(c *raw) {
				c.call(1, false, ":path", deafMethod)
				for range 4 {
					c.do(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
					advance(pingPause)
				}
			},
			want: slices.Repeat([]string{"pong"}, 4),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				c := inMemory(t, test.change).connect()
				test.do(c)
				got := c.frames()
				if strings.HasPrefix(name, "too old") {
					got = slices.DeleteFunc(got, func(s string) bool { return s == "ping" }) // As many as its age is spread over.
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("got  %q\nwant %q", got, test.want)
				}
			})
		})
	}
}

// hush has the client answer nothing.
func (c *raw) hush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = true
}

// TestHandshakeTime: a connection on which nothing is said ends.
func TestHandshakeTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		conn, err := inMemory(t, nil).dial()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		begun := time.Now()
		if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(begun) != handshakeTime {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// TestStop: streams that are open may end by themselves; what is left then is cut.
func TestStop(t *testing.T) {
	for name, test := range map[string]struct {
		end  bool
		want error
	}{"in peace": {true, nil}, "cut": {false, context.DeadlineExceeded}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				r := inMemory(t, nil)
				idle, busy := r.connect(), r.connect()
				busy.call(1, false)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				stopped := make(chan error, 1)
				go func() { stopped <- r.server.Stop(ctx) }()
				synctest.Wait()
				if got, want := idle.frames(), []string{"goaway NO_ERROR", "closed"}; !slices.Equal(got, want) {
					t.Errorf("without a stream: got %q, want %q", got, want)
				}
				if got, want := busy.frames(), []string{"goaway NO_ERROR"}; !slices.Equal(got, want) {
					t.Errorf("with a stream: got %q, want %q", got, want)
				}
				if test.end {
					busy.say(1, true, message("the last"))
				} else {
					advance(11 * time.Second)
				}
				if err := <-stopped; !errors.Is(err, test.want) {
					t.Errorf("stopped with %v, want %v", err, test.want)
				}
				synctest.Wait()
				if got := busy.frames(); got[len(got)-1] != "closed" || test.end != slices.Contains(got, "headers 1  grpc-status=0") {
					t.Errorf("in the end: %q", got)
				}
				if _, err := r.dial(); err == nil {
					t.Error("a connection is let in")
				}
			})
		})
	}
}

// TestConfigIsChecked: a server that could serve nothing is not made.
func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{{}, {TLS: serverTLS()}, {TLS: serverTLS(), Methods: methods()}} {
		if _, err := New(c); err == nil {
			t.Errorf("made from %+v", c)
		}
	}
}
