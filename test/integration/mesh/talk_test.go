package mesh_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/rig"
)

// get asks for a page from a pod, over a connection of its own, and returns who answered and what it saw.
func (p *pod) get(ctx context.Context, address string) (name, body string, err error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: p.dial}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, http.NoBody)
	if err != nil {
		return "", "", err
	}
	answer, err := (&http.Client{Transport: transport, Timeout: testLimit}).Do(request)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	body, err = rig.Body(answer)
	name, _, _ = strings.Cut(body, " ")
	return name, body, err
}

// answers calls some times and counts who answered.
func (p *pod) answers(ctx context.Context, address string, calls int) (map[string]int, error) {
	seen := map[string]int{}
	for range calls {
		name, _, err := p.get(ctx, address)
		if err != nil {
			return seen, err
		}
		seen[name]++
	}
	return seen, nil
}

// answeredBy waits until calls are answered by exactly these pods.
func (p *pod) answeredBy(t *testing.T, address string, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s answers for %v", address, want), func(ctx context.Context) error {
		seen, err := p.answers(ctx, address, 10*len(want))
		if err != nil {
			return err
		}
		for _, name := range want {
			if seen[name] == 0 {
				return fmt.Errorf("nobody heard of %s: %v", name, seen)
			}
		}
		if len(seen) != len(want) {
			return fmt.Errorf("it was answered by %v", seen)
		}
		return nil
	})
}

// load puts a service under load from a pod until the returned function is called, which fails the test when a request
// failed, and returns what was seen.
func (p *pod) load(t *testing.T, address string) (*load.Load, func() load.Report) {
	t.Helper()
	return p.patientLoad(t, address, 0)
}

// patientLoad is load of callers who wait for so long; 0 is for as long as they usually do.
func (p *pod) patientLoad(t *testing.T, address string, patience time.Duration) (*load.Load, func() load.Report) {
	t.Helper()
	l := load.Start(t.Context(), load.Config{URL: "http://" + address, Dial: p.dial, Timeout: patience})
	t.Cleanup(func() { l.Stop() })
	return l, func() load.Report {
		report := l.Stop()
		if err := report.Err(); err != nil {
			t.Error(err)
		}
		t.Logf("load: %s", report)
		return report
	}
}
