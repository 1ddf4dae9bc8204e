package certs

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const testDomain = "cluster.local"

var cart = Identity{TrustDomain: testDomain, Namespace: "shop", ServiceAccount: "cart"}

// dataFolder returns a path that does not exist yet.
func dataFolder(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "data")
}

func openAt(tb testing.TB, config Config) *Authority {
	tb.Helper()
	if config.TrustDomain == "" {
		config.TrustDomain = testDomain
	}
	authority, err := Open(config)
	if err != nil {
		tb.Fatal(err)
	}
	return authority
}

// newAuthority is an authority in a folder of its own, at the time of the clock.
func newAuthority(tb testing.TB, clock *clock) *Authority {
	tb.Helper()
	return openAt(tb, Config{Dir: dataFolder(tb), Clock: clock.Now})
}
