package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFloor measures both kinds with servers of their own processes.
func TestFloor(t *testing.T) {
	t.Setenv(asCommand, "1")
	o := options{services: 20, streams: 5, changes: 4}
	floors, err := measureFloors(t.Context(), o, filepath.Join(t.TempDir(), "floor"))
	if err != nil {
		t.Fatal(err)
	}
	if len(floors) != 2 || floors[0].kind != floorTLS || floors[1].kind != floorGRPC {
		t.Fatalf("floors %+v", floors)
	}
	for _, f := range floors {
		for what, cpu := range map[string]time.Duration{"connect": f.connect, "change": f.change, "first": f.first} {
			if cpu <= 0 || cpu > time.Second {
				t.Errorf("%s: %s took %s", f.kind, what, cpu)
			}
		}
		sent, answered := f.times.Sent, f.times.Answered
		if len(sent) != o.changes || len(answered) != o.changes || sent[0] <= 0 || sent[0] > answered[0] || !slices.IsSorted(answered) {
			t.Errorf("%s: times %+v", f.kind, f.times)
		}
	}
}

func TestFirstPushes(t *testing.T) {
	for capture, want := range map[bool][2]int{false: {567_500, 2}, true: {790_000, 4}} {
		size, number := options{services: 1000, capture: capture}.firstPushes()
		if size != want[0] || number != want[1] {
			t.Errorf("capture %t: %d of %d bytes, want %v", capture, number, size, want)
		}
	}
}

// fakeLinks joins links that record what they are sent, and answer when they are let.
func fakeLinks(ctx context.Context, s *floorServer, n int) (sent chan []byte, answer chan struct{}, done chan error) {
	sent, answer, done = make(chan []byte, 100), make(chan struct{}), make(chan error, n)
	for range n {
		go func() {
			done <- s.serve(ctx, floorLink{
				push: func(message []byte) error { sent <- message; return nil },
				answer: func() error {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-answer:
						return nil
					}
				},
			})
		}()
	}
	return sent, answer, done
}

// TestPushWaitsForAllAnswers: a push reaches every link before it is over, and is over when all have answered.
func TestPushWaitsForAllAnswers(t *testing.T) { synctest.Test(t, pushWaitsForAllAnswers) }

func pushWaitsForAllAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newFloorServer(3)
	sent, answer, done := fakeLinks(ctx, s, 3)
	over := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/?size=300&times=2", http.NoBody))
		over <- w.Code
	}()
	for range 2 {
		for range 3 {
			synctest.Wait()
			if len(over) > 0 {
				t.Fatal("over before the last answer")
			}
			if len(sent) != 3 {
				t.Fatalf("%d of 3 links were sent the message before the last answer", len(sent))
			}
			answer <- struct{}{}
		}
		for range 3 {
			if m := <-sent; len(m) != 300 || string(m[:floorHeader]) != "\x00\x00\x01\x2c" {
				t.Errorf("a message of %d bytes with the header %x", len(m), m[:floorHeader])
			}
		}
	}
	if code := <-over; code != http.StatusOK {
		t.Errorf("status %d", code)
	}
	if err := s.serve(ctx, floorLink{}); err == nil || !strings.Contains(err.Error(), "3 connections") {
		t.Errorf("a fourth link: %v", err)
	}
	cancel()
	for range 3 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a link ended with %v", err)
		}
	}
}

func TestPushEndsWithItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newFloorServer(2)
	_, _, done := fakeLinks(ctx, s, 1)
	cancel()
	// One link is missing, for ever.
	if _, err := s.push(ctx, make([]byte, floorHeader), 1); err == nil {
		t.Error("pushed to a link that is not there")
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the link ended with %v", err)
	}
}

func TestOrdersRefused(t *testing.T) {
	for _, query := range []string{"", "size=3&times=1", "size=10", "size=x&times=1", "size=4294967296&times=1"} {
		w := httptest.NewRecorder()
		newFloorServer(1).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?"+query, http.NoBody))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q: status %d", query, w.Code)
		}
	}
}

func TestParseFloor(t *testing.T) {
	want := floorConfig{dir: "d", kind: floorGRPC, address: "a:1", control: "c:2", connections: 7}
	if got, err := parseFloor(want.args()[1:]); err != nil || got != want {
		t.Errorf("%+v, error %v", got, err)
	}
	for _, args := range []string{"d TLS a c", "d UDP a c 7", "d TLS a c 0", "d TLS a c x"} {
		if _, err := parseFloor(strings.Fields(args)); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}
