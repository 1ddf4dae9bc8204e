package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/bench/adsclient"
	"outrigger.dev/outrigger/xds/cache"
)

func names(list ...string) (out []adsclient.Named) {
	for _, n := range list {
		out = append(out, adsclient.Named{Name: n})
	}
	return out
}

// TestAwaitCountsEveryClientOnce: as many are waited for as see it, and nothing but the resource of that type and name counts, and only the first time.
func TestAwaitCountsEveryClientOnce(t *testing.T) {
	f := newFleet(make([]adsclient.Config, 3))
	ref := cache.Ref{Type: cache.Endpoints, Name: "a"}
	hit := adsclient.Response{TypeURL: cache.Endpoints.URL(), Resources: names("b", "a")}
	took, err := f.await(t.Context(), ref, 2, func() error {
		for _, miss := range []adsclient.Response{
			{TypeURL: cache.Endpoints.URL(), Resources: names("b")},
			{TypeURL: cache.Cluster.URL(), Resources: names("a")},
			{TypeURL: cache.Endpoints.URL(), Removed: []string{"a"}},
		} {
			f.received(f.clients[0], miss)
		}
		if e := f.expect.Load(); len(e.took) != 0 {
			t.Errorf("%d clients have what none was sent", len(e.took))
		}
		f.received(f.clients[0], hit)
		f.received(f.clients[0], hit)
		select {
		case <-f.expect.Load().full:
			t.Error("it does not wait for the second client")
		default:
		}
		f.received(f.clients[1], hit)
		f.received(f.clients[1], hit)
		return nil
	})
	if err != nil || len(took) != 2 {
		t.Fatalf("took %v, error %v", took, err)
	}
	if !slices.IsSorted(took) || took[0] <= 0 || took[1] > time.Minute {
		t.Errorf("took %v", took)
	}
	if got := f.touched.Load(); got != 7 {
		t.Errorf("%d responses, want 7", got)
	}
	f.received(f.clients[0], hit) // Nobody waits any more.
}

func TestAwaitEnds(t *testing.T) {
	f := newFleet(make([]adsclient.Config, 1))
	ctx, cancel := context.WithCancel(t.Context())
	failed := errors.New("failed")
	for want, do := range map[error]func() error{
		failed:                   func() error { return failed },
		context.DeadlineExceeded: func() error { f.errs <- context.DeadlineExceeded; return nil },
	} {
		if _, err := f.await(ctx, cache.Ref{}, 1, do); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	if _, err := f.await(ctx, cache.Ref{}, 1, func() error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestServedWaitsForAll: the next clients come when each of the last has got something, or none when one has failed.
func TestServedWaitsForAll(t *testing.T) {
	f := newFleet(make([]adsclient.Config, 2))
	f.clients[0].Bytes.Store(1)
	go f.clients[1].Bytes.Store(1)
	if err := f.served(t.Context(), f.clients); err != nil {
		t.Error(err)
	}
	f.clients[0].Bytes.Store(0)
	failed := errors.New("failed")
	f.errs <- failed
	if err := f.served(t.Context(), f.clients); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}
