package adsclient

import (
	"errors"
	"testing"
)

// TestLink: those who share a connection have the same one, which ends with the last of them; the next one makes another, and so
// does who comes when the server takes no more streams.
func TestLink(t *testing.T) {
	failed := errors.New("failed")
	server := listen(t, nil)
	made := 0
	connect := func() (*conn, error) {
		if made++; made == 1 {
			return nil, failed
		}
		return dial(t.Context(), server.address, server.tls)
	}
	var l Link
	if _, err := l.take(connect); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	take := func() *conn {
		c, err := l.take(connect)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, second := take(), take()
	if first != second || made != 2 {
		t.Errorf("%d connections were made", made)
	}
	l.leave(first)
	if !first.takes() {
		t.Error("it is closed while somebody uses it")
	}
	first.mu.Lock()
	first.going = true
	first.mu.Unlock()
	third := take()
	if third == first || !third.takes() {
		t.Error("a connection that takes no more streams is used again")
	}
	l.leave(second)
	select {
	case <-first.done:
	default:
		t.Error("it is open while nobody uses it")
	}
	l.leave(third)
	if l.conn != nil {
		t.Error("a closed connection is kept")
	}
}
