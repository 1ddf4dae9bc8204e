// Package load puts an HTTP service under load and remembers every request: what
// it was answered, how long it took, and what went wrong.
//
// It imports the standard library only. Half of its workers keep their
// connection alive, the other half open a new one for every request. It never
// repeats a request: what failed once is a failure.
package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says what Start does.
type Config struct {
	// URL is where every request goes.
	URL string
	// Workers is the number of workers of either kind. Zero: 2.
	Workers int
	// Pause is the time between two requests of one worker. Zero: 5 ms.
	Pause time.Duration
	// Timeout is the longest that a request may take. Zero: 5 s.
	Timeout time.Duration
	// Dial opens connections. Nil: over TCP, from where the caller is.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Observe, when not nil, is told of every request as it ends, one at a time.
	Observe func(Request)
}

// Request is one request that has ended.
type Request struct {
	Began time.Time
	Took  time.Duration
	// Fresh says that it had a connection of its own.
	Fresh bool
	// Status is the HTTP status, 0 when no answer came.
	Status int
	// Answer is the body, its first 4 KB.
	Answer string
	// Err is why no whole answer came.
	Err error
}

// Failed reports whether the request had no whole answer, or one with another status than 200.
func (r Request) Failed() bool { return r.Err != nil || r.Status != http.StatusOK }

// String tells the request in one line.
func (r Request) String() string {
	kind := "kept alive"
	if r.Fresh {
		kind = "fresh"
	}
	text := fmt.Sprintf("%s %s %d in %s", r.Began.Format("15:04:05.000"), kind, r.Status, r.Took.Round(time.Microsecond))
	switch {
	case r.Err != nil:
		return text + ": " + r.Err.Error()
	case r.Failed():
		return text + ": " + strings.TrimSpace(r.Answer)
	default:
		return text
	}
}

// defaultTimeout is the longest that a request may take.
const defaultTimeout = 5 * time.Second

// Load is a running load.
type Load struct {
	cfg    Config
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu       sync.Mutex
	requests []Request
}

// Start begins the load; it goes on until Stop or the end of ctx.
func Start(ctx context.Context, cfg Config) *Load {
	if cfg.Workers == 0 {
		cfg.Workers = 2
	}
	if cfg.Pause == 0 {
		cfg.Pause = 5 * time.Millisecond
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{cfg: cfg, cancel: cancel}
	for range cfg.Workers {
		l.tasks.Go(func() { l.work(ctx, false) })
		l.tasks.Go(func() { l.work(ctx, true) })
	}
	return l
}

// Sent returns how many requests have ended so far.
func (l *Load) Sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.requests)
}

// Once sends a single request over a connection of its own.
func Once(ctx context.Context, url string) Request {
	l := &Load{cfg: Config{URL: url}}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	return l.send(ctx, &http.Client{Transport: transport, Timeout: defaultTimeout}, true)
}

// Stop lets the requests under way end, stops the load, and returns what was
// seen. It may be called more than once.
func (l *Load) Stop() Report {
	l.cancel()
	l.tasks.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return Report{Requests: l.requests}
}

// work sends requests one after the other until ctx ends. A request itself does
// not end with ctx: a failure is never our own doing.
func (l *Load) work(ctx context.Context, fresh bool) {
	transport := &http.Transport{DisableKeepAlives: fresh, Proxy: nil, DialContext: l.cfg.Dial}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: l.cfg.Timeout}
	tick := time.NewTicker(l.cfg.Pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.note(l.send(context.WithoutCancel(ctx), client, fresh))
		}
	}
}

func (l *Load) send(ctx context.Context, client *http.Client, fresh bool) Request {
	r := Request{Began: time.Now(), Fresh: fresh}
	r.Status, r.Answer, r.Err = l.exchange(ctx, client)
	r.Took = time.Since(r.Began)
	return r
}

// exchange posts a body that cannot be read twice: net/http would otherwise
// repeat a request whose kept-alive connection turned out to be closed.
func (l *Load) exchange(ctx context.Context, client *http.Client) (int, string, error) {
	body := "once"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.cfg.URL, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		return 0, "", err
	}
	req.ContentLength = int64(len(body))
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return resp.StatusCode, string(answer), err
}

func (l *Load) note(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
	if l.cfg.Observe != nil {
		l.cfg.Observe(r)
	}
}

// Report is what a load has seen.
type Report struct {
	// Requests in the order in which they ended.
	Requests []Request
}

// Failed returns the requests that failed.
func (r Report) Failed() []Request {
	return slices.DeleteFunc(slices.Clone(r.Requests), func(q Request) bool { return !q.Failed() })
}

// Quantile returns the time that a share q of the requests, 0 to 1, took at most.
func (r Report) Quantile(q float64) time.Duration {
	if len(r.Requests) == 0 {
		return 0
	}
	times := make([]time.Duration, len(r.Requests))
	for i, request := range r.Requests {
		times[i] = request.Took
	}
	slices.Sort(times)
	return times[min(int(q*float64(len(times))), len(times)-1)]
}

// String tells the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d requests, %d failed, p50 %s, p99 %s", len(r.Requests), len(r.Failed()),
		r.Quantile(0.5).Round(100*time.Microsecond), r.Quantile(0.99).Round(100*time.Microsecond))
}

// Err returns an error that tells the first failures, or nil when there are
// none. A load without any request is a failure too.
func (r Report) Err() error {
	failed := r.Failed()
	switch {
	case len(r.Requests) == 0:
		return fmt.Errorf("the load sent no request")
	case len(failed) == 0:
		return nil
	}
	lines := make([]string, 0, 3)
	for _, request := range failed[:min(len(failed), 3)] {
		lines = append(lines, request.String())
	}
	return fmt.Errorf("%d of %d requests failed: %s", len(failed), len(r.Requests), strings.Join(lines, "; "))
}
