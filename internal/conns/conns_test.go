package conns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"outrigger.dev/outrigger/internal/conns"
)

// far are the other ends of the connections that were opened.
type far []net.Conn

func (f *far) dial(context.Context, string, string) (net.Conn, error) {
	near, other := net.Pipe()
	*f = append(*f, other)
	return near, nil
}

// cut reports whether the near end was closed; if not, it hangs.
func cut(other net.Conn) bool {
	_, err := other.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

func open(t *testing.T, d *conns.Dialer) net.Conn {
	t.Helper()
	c, err := d.DialContext(t.Context(), "tcp", "there")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func holds(t *testing.T, d *conns.Dialer, want int) {
	t.Helper()
	if got := d.Count(); got != want {
		t.Errorf("%d connections are open, not %d", got, want)
	}
}

func TestCount(t *testing.T) {
	var others far
	d := conns.New(others.dial)
	first, second := open(t, d), open(t, d)
	holds(t, d, 2)
	if err := first.Close(); err != nil || !cut(others[0]) {
		t.Errorf("the first one is not closed: %v", err)
	}
	holds(t, d, 1)
	_ = first.Close()
	holds(t, d, 1)
	_ = second.Close()
	holds(t, d, 0)
}

func TestCut(t *testing.T) {
	var others far
	d := conns.New(others.dial)
	first := open(t, d)
	open(t, d)
	d.CutSilent(time.Now())
	if !cut(others[0]) || !cut(others[1]) {
		t.Error("a connection is not cut")
	}
	holds(t, d, 0)
	open(t, d)
	_ = first.Close() // As its owner does, once it fails.
	holds(t, d, 1)
}

// TestCutSilent: connections go on which nothing was read since a time, and no others.
func TestCutSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var others far
		d := conns.New(others.dial)
		defer d.Close()
		open(t, d)
		second := open(t, d)
		pass(time.Second)
		since := time.Now()
		pass(time.Second)
		go func() { _, _ = others[1].Write([]byte{1}) }()
		if _, err := second.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		open(t, d)
		d.CutSilent(since)
		if holds(t, d, 2); !cut(others[0]) {
			t.Error("the silent one is not cut")
		}
		pass(time.Second)
		d.CutSilent(time.Now())
		holds(t, d, 0)
	})
}

func pass(d time.Duration) { <-time.NewTimer(d).C }

// TestClosedWhileOpening: a connection that comes late is closed, until the dialer begins again.
func TestClosedWhileOpening(t *testing.T) {
	var others far
	var d *conns.Dialer
	meanwhile := func() { d.Close() }
	d = conns.New(func(ctx context.Context, network, address string) (net.Conn, error) {
		defer meanwhile()
		return others.dial(ctx, network, address)
	})
	if c, err := d.DialContext(t.Context(), "tcp", "there"); !errors.Is(err, net.ErrClosed) || c != nil {
		t.Fatalf("a closed dialer gives %v, %v", c, err)
	}
	if !cut(others[0]) {
		t.Error("the connection that came late is not closed")
	}
	holds(t, d, 0)
	d.CutSilent(time.Now())
	meanwhile = func() {}
	if _, err := d.DialContext(t.Context(), "tcp", "there"); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("a cut opens a closed dialer: %v", err)
	}
	d.Begin()
	open(t, d)
	holds(t, d, 1)
}

func TestRefused(t *testing.T) {
	refused := errors.New("refused")
	d := conns.New(func(context.Context, string, string) (net.Conn, error) { return nil, refused })
	if c, err := d.DialContext(t.Context(), "tcp", "there"); !errors.Is(err, refused) || c != nil {
		t.Errorf("it gives %v, %v", c, err)
	}
	holds(t, d, 0)
}
