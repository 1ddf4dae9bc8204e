package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"outrigger.dev/outrigger/test/apps"
	"outrigger.dev/outrigger/test/load"
)

// ask calls a page of the frontend, as a user outside the mesh does.
func ask(ctx context.Context, url string) (apps.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return apps.Answer{}, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return apps.Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return apps.Answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return apps.Answer{}, fmt.Errorf("%s: %s: %s", url, resp.Status, text)
	}
	var a apps.Answer
	return a, json.Unmarshal(text, &a)
}

// calls checks that a call of the frontend reaches the cart and the catalog, and
// that these saw who called.
func (d *demo) calls(ctx context.Context) (string, error) {
	a, err := ask(ctx, frontPage)
	if err != nil {
		return "", err
	}
	if len(a.Calls) != 2 {
		return "", fmt.Errorf("the frontend made %d calls, want 2: %+v", len(a.Calls), a)
	}
	if a.Caller != "" {
		return "", fmt.Errorf("the frontend was called in plain text and saw %q", a.Caller)
	}
	want := identityOf + "frontend"
	for i, protocol := range []string{"HTTP", "gRPC"} {
		seen := a.Calls[i]
		if seen.Caller != want || seen.Certificate == "" {
			return "", fmt.Errorf("%s saw the caller %q (certificate %q), want %q", seen.Instance, seen.Caller, seen.Certificate, want)
		}
		d.out.note("%-4s  %s saw %s", protocol, seen.Instance, seen.Caller)
	}
	return "both saw " + want, nil
}

// spread checks that load reaches both carts about evenly.
func (d *demo) spread(ctx context.Context) (string, error) {
	t := newTally()
	l := load.Start(ctx, load.Config{URL: frontPage + "cart", Observe: t.observe})
	err := t.wait(ctx, "300 requests have been answered", func() bool { return t.total() >= 300 })
	report := l.Stop()
	if err != nil {
		return "", err
	}
	if err := report.Err(); err != nil {
		return "", err
	}
	one, two := t.of(cart1.name), t.of(cart2.name)
	d.out.note("%s: cart-1 answered %d, cart-2 %d", report, one, two)
	if total := one + two; one*4 < total || two*4 < total {
		return "", fmt.Errorf("cart-1 answered %d and cart-2 %d: want at least a quarter each", one, two)
	}
	return fmt.Sprintf("cart-1 %d, cart-2 %d", one, two), nil
}

// tally counts which cart answered the requests of a load, and when first and last.
type tally struct {
	mu    sync.Mutex
	carts map[string]*visits
	all   int
}

type visits struct {
	count       int
	first, last time.Time
}

func newTally() *tally { return &tally{carts: map[string]*visits{}} }

// observe is for load.Config.
func (t *tally) observe(r load.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all++
	var a apps.Answer
	if r.Failed() || json.Unmarshal([]byte(r.Answer), &a) != nil || len(a.Calls) == 0 {
		return
	}
	ended := r.Began.Add(r.Took)
	v, ok := t.carts[a.Calls[0].Instance]
	if !ok {
		v = &visits{first: ended}
		t.carts[a.Calls[0].Instance] = v
	}
	v.count++
	v.last = ended
}

func (t *tally) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all
}

func (t *tally) of(cart string) int { return t.visits(cart).count }

// visits returns what is known of a cart; zero when it has not answered.
func (t *tally) visits(cart string) visits {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v, ok := t.carts[cart]; ok {
		return *v
	}
	return visits{}
}

// wait waits until something is so, for 15 s at most.
func (t *tally) wait(ctx context.Context, what string, so func() bool) error {
	return until(ctx, what, func() error {
		if so() {
			return nil
		}
		return fmt.Errorf("%d requests so far", t.total())
	})
}
