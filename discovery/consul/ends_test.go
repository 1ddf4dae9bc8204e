package consul

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"outrigger.dev/outrigger/test/mirror"
)

func TestEndsWithItsContext(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.fault = func(_ call, w http.ResponseWriter) bool { http.Error(w, "", http.StatusTeapot); return true }
		m := mirror.Start(t, f.source())
		m.Await("trouble is told", mirror.Troubled)
		if status, ok := errors.AsType[*statusError](m.Trouble); !ok || status.code != http.StatusTeapot {
			t.Errorf("the trouble hides what was answered: %v", m.Trouble)
		}
	})
}

// Whatever is the matter from the start is trouble that can end, and never the end of Run: that is what those who run it rely on.
func TestOnlyItsContextEndsIt(t *testing.T) {
	for name, spoil := range map[string]func(f *fake, c *Config) (mend func()){
		"no server": func(f *fake, c *Config) func() {
			away := atomic.Bool{}
			away.Store(true)
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if away.Load() {
					return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
				}
				return f.listener.dial(ctx, network, address)
			}
			return func() { away.Store(false) }
		},
		"no token file": func(_ *fake, c *Config) func() {
			c.TokenFile = filepath.Join(t.TempDir(), "token")
			return func() { writeFile(t, c.TokenFile, "secret") }
		},
		"no CA": func(f *fake, c *Config) func() {
			c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
			writeFile(t, c.CAFile, "nothing")
			return func() { writeFile(t, c.CAFile, readFile(t, f.caFile)) }
		},
		"no datacenter": func(f *fake, c *Config) func() {
			c.Datacenter = "dc2"
			f.rows[ownService] = nil
			return func() { f.put(passing(ownService, "server-1", "10.0.9.1")) }
		},
		"no answer": func(f *fake, _ *Config) func() {
			f.fault = func(call, http.ResponseWriter) bool { panic(http.ErrAbortHandler) }
			return func() { f.set(func() { f.fault = nil }) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, false)
				f.put(passing("cart", "cart-1", "10.0.0.1"))
				config := f.config()
				mend := spoil(f, &config)
				m := mirror.Start(t, mustNew(t, config))
				m.Await("trouble is told", mirror.Troubled)
				m.Drain(time.Hour)
				mend()
				m.Await("the first state is complete", func(m *mirror.Mirror) bool {
					return m.Synced && m.Trouble == nil && mirror.Has(ns, "cart", "10.0.0.1:8080")(m)
				})
			})
		})
	}
}
