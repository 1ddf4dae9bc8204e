package load_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/test/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run puts a handler under load until it has seen 40 requests.
func run(t *testing.T, handler http.HandlerFunc) (load.Report, int64, int64) {
	t.Helper()
	var seen, conns atomic.Int64
	enough := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) == 40 {
			close(enough)
		}
		handler(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	l := load.Start(t.Context(), load.Config{URL: server.URL, Workers: 1, Pause: time.Millisecond})
	<-enough
	report := l.Stop()
	return report, seen.Load(), conns.Load()
}

func TestEveryRequestIsRemembered(t *testing.T) {
	report, seen, conns := run(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if int64(len(report.Requests)) != seen {
		t.Errorf("%d requests are remembered, the server saw %d", len(report.Requests), seen)
	}
	var fresh int64
	for _, r := range report.Requests {
		if r.Answer != "hello" || r.Took <= 0 || r.Began.IsZero() {
			t.Errorf("a request is remembered as %+v", r)
		}
		if r.Fresh {
			fresh++
		}
	}
	if conns != fresh+1 {
		t.Errorf("%d connections for %d fresh requests and one worker that keeps its own", conns, fresh)
	}
}

func TestBadAnswersAreFailures(t *testing.T) {
	report, seen, _ := run(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not now", http.StatusServiceUnavailable) })
	if failed := report.Failed(); int64(len(failed)) != seen {
		t.Errorf("%d failed, the server refused %d", len(failed), seen)
	}
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "not now") {
		t.Errorf("error %v, want one with the status and the answer", err)
	}
}

// net/http would repeat most requests of this server.
func TestNothingIsRepeated(t *testing.T) {
	var n atomic.Int64
	report, seen, _ := run(t, func(_ http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler)
		}
	})
	if int64(len(report.Requests)) != seen {
		t.Errorf("%d requests were made, the server saw %d", len(report.Requests), seen)
	}
	if failed := int64(len(report.Failed())); failed != seen/2 {
		t.Errorf("%d failed, the server dropped %d", failed, seen/2)
	}
}

func TestNoRequestIsNoSuccess(t *testing.T) {
	if err := (load.Report{}).Err(); err == nil {
		t.Error("a load without a request has no error")
	}
}

func TestQuantile(t *testing.T) {
	var r load.Report
	for i := range 100 {
		r.Requests = append(r.Requests, load.Request{Took: time.Duration(100-i) * time.Millisecond})
	}
	for q, want := range map[float64]int64{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := r.Quantile(q).Milliseconds(); got != want {
			t.Errorf("quantile %g is %d ms, want %d", q, got, want)
		}
	}
}
