package mesh

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"

	"outrigger.dev/outrigger/xds/debug"
)

// Outrigger runs a command of the outrigger binary and returns its standard
// output. The error of one that fails holds its standard error.
func (m *Mesh) Outrigger(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, m.cfg.Binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("outrigger %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Metrics returns the control plane's metrics by series, such as
// `outrigger_xds_streams{type="delta"}`, as they are now.
func (m *Mesh) Metrics(ctx context.Context) (Metrics, error) {
	text, err := m.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	metrics := Metrics{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			metrics[line[:at]] = value
		}
	}
	return metrics, nil
}

// Metrics are values by series.
type Metrics map[string]float64

// Sum adds up the series of a name whose labels hold all of the given texts, such as `type="cds"`.
func (m Metrics) Sum(name string, labels ...string) float64 {
	var sum float64
	for series, value := range m {
		own, rest, _ := strings.Cut(series, "{")
		if own == name && holdsAll(rest, labels) {
			sum += value
		}
	}
	return sum
}

func holdsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// get asks the control plane's plain interface.
func (m *Mesh) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.cfg.Metrics+path, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Close = true
	client := &http.Client{Transport: &http.Transport{DialContext: m.cfg.Dial}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	return string(text), nil
}

// Proxies returns what `outrigger proxies` tells, by "<namespace>/<workload>".
func (m *Mesh) Proxies(ctx context.Context) (map[string]debug.Proxy, error) {
	text, err := m.Outrigger(ctx, "proxies", "--data-dir", m.DataDir(), "-o", "json")
	if err != nil {
		return nil, err
	}
	var all debug.Proxies
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("outrigger proxies: %w: %s", err, text)
	}
	proxies := make(map[string]debug.Proxy, len(all.Proxies))
	for _, p := range all.Proxies {
		proxies[p.Name] = p
	}
	return proxies, nil
}

// Sources returns what `outrigger sources` tells, by "<kind>/<name>".
func (m *Mesh) Sources(ctx context.Context) (map[string]debug.Source, error) {
	text, err := m.Outrigger(ctx, "sources", "--data-dir", m.DataDir(), "-o", "json")
	if err != nil {
		return nil, err
	}
	var all struct {
		Sources []debug.Source `json:"sources"`
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("outrigger sources: %w: %s", err, text)
	}
	sources := make(map[string]debug.Source, len(all.Sources))
	for _, s := range all.Sources {
		sources[s.Name] = s
	}
	return sources, nil
}

// WaitSynced waits until the named proxies have everything that they are to have.
func (m *Mesh) WaitSynced(ctx context.Context, names ...string) error {
	return Eventually(ctx, "the proxies are synced", func(ctx context.Context) error {
		proxies, err := m.Proxies(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if state := proxies[name].State; state != debug.StateSynced {
				return fmt.Errorf("%s is %q", name, state)
			}
		}
		return nil
	})
}
