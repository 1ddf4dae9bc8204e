package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFollowAsksEverySecondUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		asked := 0
		if err := follow(ctx, true, func() error { asked++; return nil }); err != nil {
			t.Error(err)
		}
		if asked != 4 {
			t.Errorf("asked %d times in 3.5 s, want 4", asked)
		}
	})
}

func TestFollowAsksOnceWithoutWatching(t *testing.T) {
	t.Parallel()
	asked := 0
	if err := follow(t.Context(), false, func() error { asked++; return nil }); err != nil || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	wrong := errors.New("wrong")
	if err := follow(t.Context(), true, func() error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("error %v, want that of the step", err)
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 1500 * time.Millisecond: "1s", 59 * time.Second: "59s", 90 * time.Second: "1m30s", 5 * time.Minute: "5m0s",
		time.Hour: "1h0m", 24*time.Hour - time.Second: "23h59m", 47 * time.Hour: "47h0m", 72*time.Hour + time.Minute: "3d",
		-90 * time.Second: "-1m30s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%s) = %s, want %s", d, got, want)
		}
	}
}

func TestQuoteArg(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"data/": "data/", "my data": "'my data'", "it's": `'it'\''s'`, "": "''"} {
		if got := quoteArg(in); got != want {
			t.Errorf("quoteArg(%q) = %s, want %s", in, got, want)
		}
	}
}
