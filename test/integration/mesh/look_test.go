package mesh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"outrigger.dev/outrigger/xds/debug"
)

// knows returns the endpoints that a pod's sidecar knows of a service, by address: "HEALTHY", "DRAINING" and so on.
func (p *pod) knows(ctx context.Context, service string) (map[string]string, error) {
	text, err := p.sidecar.Admin(ctx, http.MethodGet, "/clusters?format=json")
	if err != nil {
		return nil, err
	}
	var all struct {
		Clusters []struct {
			Name  string
			Hosts []struct {
				Address struct {
					Socket struct {
						Address string
					} `json:"socket_address"`
				}
				Health struct {
					EDS string `json:"eds_health_status"`
				} `json:"health_status"`
			} `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, c := range all.Clusters {
		if strings.Contains(c.Name, service+"."+namespace) {
			for _, h := range c.Hosts {
				known[h.Address.Socket.Address] = h.Health.EDS
			}
		}
	}
	return known, nil
}

// knowsAll waits until a pod's sidecar knows exactly these pods as endpoints of a service, by their health.
func (p *pod) knowsAll(t *testing.T, service string, want map[*pod]string) {
	t.Helper()
	wanted := map[string]string{}
	for q, health := range want {
		wanted[q.IPv4.String()] = health
	}
	eventually(t, fmt.Sprintf("%s knows %v of %s", p.Name, wanted, service), func(ctx context.Context) error {
		known, err := p.knows(ctx, service)
		if err == nil && !maps.Equal(known, wanted) {
			err = fmt.Errorf("it knows %v", known)
		}
		return err
	})
}

// all are pods that are healthy.
func all(pods ...*pod) map[*pod]string {
	healthy := map[*pod]string{}
	for _, p := range pods {
		healthy[p] = "HEALTHY"
	}
	return healthy
}

// source is what `outrigger sources` says of one of them.
func (w *world) source(ctx context.Context, name string) (debug.Source, error) {
	sources, err := w.Sources(ctx)
	if err != nil {
		return debug.Source{}, err
	}
	s, ok := sources[name]
	if !ok {
		return s, fmt.Errorf("there is no source %s: %v", name, sources)
	}
	if s.Held == nil {
		s.Held = &debug.Held{}
	}
	return s, nil
}

// sourceIs waits until what `outrigger sources` says of one passes a check.
func (w *world) sourceIs(t *testing.T, what, name string, check func(debug.Source) bool) debug.Source {
	t.Helper()
	var last debug.Source
	eventually(t, name+" is "+what, func(ctx context.Context) (err error) {
		last, err = w.source(ctx, name)
		if err == nil && !check(last) {
			held, _ := json.Marshal(last.Held)
			err = fmt.Errorf("its trouble is %q, held is %s", last.Trouble, held)
		}
		return err
	})
	return last
}

func troubled(s debug.Source) bool { return s.Trouble != "" }

// well is neither in trouble nor held.
func well(s debug.Source) bool { return s.Synced && s.Trouble == "" && s.Held.Reason == "" }

// metric is the sum of the control plane's series of a name with these parts in their labels.
func (w *world) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	metrics, err := w.Metrics(t.Context())
	must(t, err)
	return metrics.Sum(name, labels...)
}

// label is a part of the labels of a series.
func label(name, value string) string { return fmt.Sprintf("%s=%q", name, value) }

// ended checks how many endpoints were held that came back, and how many were gone, since the start.
func (w *world) ended(t *testing.T, source string, saved, dead float64) {
	t.Helper()
	metrics, err := w.Metrics(t.Context())
	must(t, err)
	for end, want := range map[string]float64{"saved": saved, "dead": dead} {
		n, ok := metrics[fmt.Sprintf("outrigger_source_held_ended_total{end=%q,source=%q}", end, source)]
		if !ok {
			t.Errorf("there is no metric of held endpoints of %s", source)
		}
		if n != want {
			t.Errorf("%s: %v held endpoints ended as %s, want %v", source, n, end, want)
		}
	}
}
