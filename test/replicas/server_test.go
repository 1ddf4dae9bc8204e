package replicas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/process"
	"outrigger.dev/outrigger/test/rig"
	"outrigger.dev/outrigger/xds/debug"
)

// server is one control plane.
type server struct {
	name, dataDir, xds, metrics string
	args                        []string
	binary                      string // empty: the one under test
	log                         string
	process                     *process.Process
}

// launch starts the process and does not wait for it.
func (s *server) launch(t *testing.T) {
	t.Helper()
	path := s.binary
	if path == "" {
		path = outrigger
	}
	var err error
	s.process, err = process.Start(context.WithoutCancel(t.Context()), process.Config{
		Path: path, Args: append([]string{"server", "--log-format", "json"}, s.args...), Log: s.log,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// start starts the process and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.launch(t)
	s.ready(t)
}

func (s *server) ready(t *testing.T) {
	t.Helper()
	rig.Eventually(t, "server "+s.name+" is ready", func() error {
		_, err := s.get(t, "/readyz")
		if err != nil {
			return fmt.Errorf("%w: %s", err, s.process.Logs())
		}
		return nil
	})
}

func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Stop(); err != nil {
		t.Error(err)
	}
}

// dir is the place of the server in its data folder.
func (s *server) dir() string {
	if s.name == "main" {
		return s.dataDir
	}
	return filepath.Join(s.dataDir, "replicas", s.name)
}

func (s *server) get(t *testing.T, path string) (string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: rig.Limit}
	response, err := client.Get("http://" + s.metrics + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := rig.Body(response)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return text, err
}

// sum adds up the series of a metric.
func (s *server) sum(t *testing.T, name string) float64 {
	t.Helper()
	text, err := s.get(t, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		series, value, _ := strings.Cut(line, " ")
		if own, _, _ := strings.Cut(series, "{"); own != name {
			continue
		}
		n, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += n
	}
	return sum
}

// content is all that the server has for proxies, bodies included, without what is its own to say.
func (s *server) content(t *testing.T) string {
	t.Helper()
	var dump debug.Resources
	if err := debug.NewClient(s.dir()).Get(t.Context(), "/resources", &dump); err != nil {
		t.Fatal(err)
	}
	for i := range dump.Views {
		dump.Views[i].Revision, dump.Views[i].Streams = 0, 0
	}
	text, err := json.MarshalIndent(dump, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// streams are the names of the proxies that are connected to this server.
func (s *server) streams(t *testing.T) []string {
	t.Helper()
	report, err := debug.NewClient(s.dir()).Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range report.Proxies {
		names = append(names, p.Name)
	}
	return names
}
