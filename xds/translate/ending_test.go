package translate_test

import (
	"net/http"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/load"
)

// TestServersEndInOrder: programs that speak HTTP/2 end as in an update, one after the other, under load. They refuse what came after
// they said so, and no request fails.
func TestServersEndInOrder(t *testing.T) {
	p := newPair(t)
	var servers []*http.Server
	var endpoints []ir.Endpoint
	for range 12 {
		listener := listen(t)
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		server := &http.Server{ReadHeaderTimeout: time.Minute, Protocols: protocols, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		serve(t, func() error { return server.Serve(listener) }, func() { _ = server.Close() })
		servers = append(servers, server)
		endpoints = append(endpoints, ir.Endpoint{Address: addressOf(listener), Weight: 1})
	}
	p.service("updated", discovery.HTTP2, ir.Peers{Plain: true}, ir.EndpointGroup{Endpoints: endpoints})
	p.start()
	l := load.Start(t.Context(), load.Config{URL: "http://" + p.reach["updated"].String(), Workers: 16, Timeout: time.Minute})
	for _, server := range servers[:6] {
		goesOn(t, l)
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	goesOn(t, l)
	report := l.Stop()
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	t.Log(report)
}

// goesOn waits until more requests were sent.
func goesOn(t *testing.T, l *load.Load) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer late.Stop()
	for want := l.Sent() + 1000; l.Sent() < want; {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("%d requests, want %d", l.Sent(), want)
		}
	}
}
