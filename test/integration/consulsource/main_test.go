// Package consulsource_test runs the Consul source against real Consul servers.
package consulsource_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/discovery/consul"
	"outrigger.dev/outrigger/test/cluster"
)

// shared is a datacenter of one server with TLS and access rules, for the tests that leave it as it was.
var shared *cluster.Consul

func TestMain(m *testing.M) {
	os.Exit(cluster.WithConsul(&shared, cluster.ConsulOptions{}, m.Run))
}

// noLeaks fails a test that leaves goroutines behind.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// reading returns a config for a datacenter with a token of the usual rights.
func reading(t *testing.T, c *cluster.Consul) consul.Config {
	t.Helper()
	config := consul.Config{Name: "test", Address: c.URL(), CAFile: c.CAFile(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Heartbeat: time.Second, Linger: time.Second}
	if c.ManagementToken() == "" {
		return config
	}
	token, err := c.MakeToken(t.Context(), cluster.ReadRules)
	if err != nil {
		t.Fatal(err)
	}
	config.TokenFile = filepath.Join(t.TempDir(), "token")
	if err := token.WriteFile(config.TokenFile); err != nil {
		t.Fatal(err)
	}
	return config
}

// source returns one, or fails the test.
func source(t *testing.T, config consul.Config) *consul.Source {
	t.Helper()
	s, err := consul.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
