package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// pollEvery is how often WaitReady asks.
const pollEvery = 20 * time.Millisecond

// adminClient returns a client whose every request goes to a Unix socket.
func adminClient(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}

// Admin asks the admin interface and returns the body of its answer. path
// begins with a slash and may have a query. An answer other than 200 is an
// error that holds its status and body.
func (p *Proxy) Admin(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := p.admin.Do(req)
	if err != nil {
		return nil, fmt.Errorf("admin interface of the Envoy in %s: %w", p.cfg.Dir, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("admin interface of the Envoy in %s: %s: %w", p.cfg.Dir, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("admin interface of the Envoy in %s: %s: %s: %s", p.cfg.Dir, path, resp.Status, body)
	}
	return body, nil
}

// ConfigDump is the whole configuration that Envoy has, endpoints included, as
// JSON. Envoy redacts private keys in it.
func (p *Proxy) ConfigDump(ctx context.Context) ([]byte, error) {
	return p.Admin(ctx, http.MethodGet, "/config_dump?include_eds")
}

// Stats returns the counters and gauges whose names match filter, a regular
// expression that may match a part of the name. Histograms and texts are left
// out. A stat that Envoy has not made yet is missing, not zero.
func (p *Proxy) Stats(ctx context.Context, filter string) (map[string]int64, error) {
	body, err := p.Admin(ctx, http.MethodGet, "/stats?format=json&filter="+url.QueryEscape(filter))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Stats []struct {
			Name  string `json:"name"`
			Value any    `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("stats of the Envoy in %s: %w", p.cfg.Dir, err)
	}
	stats := make(map[string]int64, len(answer.Stats))
	for _, s := range answer.Stats {
		if number, ok := s.Value.(float64); ok {
			stats[s.Name] = int64(number)
		}
	}
	return stats, nil
}

// WaitReady waits until Envoy has its first configuration and listens. The
// error of a proxy that ended, or was not ready before ctx ended, holds its
// log.
func (p *Proxy) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		_, err := p.Admin(ctx, http.MethodGet, "/ready")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.Exited():
			return fmt.Errorf("envoy in %s ended before it was ready: %w: %s", p.cfg.Dir, p.process.Err(), p.Logs())
		case <-ctx.Done():
			return fmt.Errorf("waiting for the Envoy in %s: %w (%w): %s", p.cfg.Dir, context.Cause(ctx), err, p.Logs())
		}
	}
}
