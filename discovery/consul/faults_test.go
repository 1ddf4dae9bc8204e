package consul

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/mirror"
)

const ns = DefaultMeshNamespace

// eachProtocol runs a test in a bubble over HTTP/2 and over HTTP/1.1.
func eachProtocol(t *testing.T, test func(t *testing.T, f *fake)) {
	t.Helper()
	for _, plain := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP2", true: "HTTP1"}[plain], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newFake(t, plain)) })
		})
	}
}

func TestFirstStateAndChanges(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("stock", "stock-1", "10.0.1.1"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		if len(m.Log) != 1 || !mirror.Has(ns, "cart", "10.0.0.1:8080")(m) || !mirror.Has(ns, "stock", "10.0.1.1:8080")(m) {
			t.Fatalf("the first state is not one whole update: %d updates\n%s", len(m.Log), m)
		}
		f.put(passing("cart", "cart-2", "10.0.0.2"))
		for _, update := range m.Await("there are two", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080")) {
			if len(update.Services) > 0 || len(update.Endpoints) != 1 || len(update.Workloads) != 1 {
				t.Errorf("more was sent than changed: %+v", update)
			}
			if update.ReadAt.IsZero() {
				t.Error("it is not said when the change was read")
			}
		}
		f.remove("cart", "node-cart-1", "cart-1")
		m.Await("one is gone", mirror.Has(ns, "cart", "10.0.0.2:8080"))
	})
}

func TestConsul01IndexGoesBack(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.set(func() { f.index, f.indexes[""] = 1000, 1000 })
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		source := f.source()
		m := mirror.Start(t, source)
		m.Await("the first state is complete", mirror.Synced)
		synctest.Wait()
		f.mu.Lock()
		f.calls = nil
		f.mu.Unlock()
		f.set(func() { f.index, f.indexes, f.extinct = 5, map[string]uint64{"": 5, "cart": 5}, 5 })
		updates := m.Await("trouble is told", mirror.Troubled)
		updates = append(updates, m.Await("the trouble is over", mirror.Well)...)
		for _, update := range updates {
			if len(update.Services)+len(update.Endpoints)+len(update.Workloads) > 0 {
				t.Errorf("an index that went back changed what there is: %+v", update)
			}
		}
		if !strings.Contains(updates[0].Trouble.Error(), "went back") {
			t.Errorf("the trouble does not say what is wrong: %v", updates[0].Trouble)
		}
		for _, path := range []string{catalogPath, healthPath + "cart"} {
			calls := f.callsTo(path)
			if path != catalogPath && f.caFile == "" {
				continue // It is only read when something is known to have changed.
			}
			if at := slices.IndexFunc(calls, func(c call) bool { return c.index() == 0 }); at < 0 || calls[at].query.Has("stale") {
				t.Errorf("%s: after the index went back it is not read anew, from the leader: %v", path, calls)
			}
		}
		if source.Stats().Resets == 0 {
			t.Error("the reset is not counted")
		}
		f.put(passing("cart", "cart-2", "10.0.0.2"))
		m.Await("changes are seen again", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
	})
}

func TestConsul02IndexZeroIsOne(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.header = func(_ call, h http.Header) { h.Set("X-Consul-Index", "0") }
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		m.Drain(10 * time.Second)
		if m.Trouble != nil {
			t.Errorf("an index of 0 is trouble: %v", m.Trouble)
		}
		calls := f.callsTo(catalogPath)
		if calls[len(calls)-1].index() != 1 {
			t.Errorf("an index of 0 was not taken as 1: %v", calls[len(calls)-1])
		}
		// The fake does not block with 1, since its own index is another: what remains is the token bucket.
		if limit := pollBurst + 11*pollRate; len(calls) > limit {
			t.Errorf("%d queries in 10 s: a busy loop", len(calls))
		}
	})
}

func TestConsul03IndexMovesWithoutChange(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		source := f.source()
		m := mirror.Start(t, source)
		m.Await("the first state is complete", mirror.Synced)
		synctest.Wait()
		f.mu.Lock()
		f.calls = nil
		f.mu.Unlock()
		const seconds = 20
		before := source.Stats()
		for range seconds * 50 {
			f.set(func() { f.index++; f.indexes[""], f.indexes["cart"] = f.index, f.index })
			if updates := m.Drain(20 * time.Millisecond); len(updates) > 0 {
				t.Fatalf("nothing changed, and an update came: %+v", updates)
			}
		}
		for _, path := range []string{catalogPath, checksPath, healthPath + "cart"} {
			if calls := f.callsTo(path); len(calls) > pollBurst+seconds*pollRate {
				t.Errorf("%s was asked %d times in %d s", path, len(calls), seconds)
			}
		}
		after := source.Stats()
		if after.IdleWakes-before.IdleWakes != after.Wakes-before.Wakes || after.Wakes == before.Wakes {
			t.Errorf("wakes without a change are not counted: from %+v to %+v", before, after)
		}
	})
}

func TestConsul04FilteredIsNotGone(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("cart", "cart-2", "10.0.0.2"), passing("stock", "stock-1", "10.0.1.1"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		held := f.rows
		filtered := func(_ call, h http.Header) { h.Set(headerFiltered, "true") }
		f.set(func() {
			f.header, f.rows = filtered, map[string][]*api.ServiceEntry{}
			f.index++
			f.indexes, f.extinct = map[string]uint64{"": f.index}, f.index
		})
		updates := m.Await("trouble is told", mirror.Troubled)
		updates = append(updates, m.Drain(time.Minute)...)
		for _, update := range updates {
			if len(update.Services)+len(update.Endpoints)+len(update.Workloads) > 0 || update.Trouble == nil {
				t.Errorf("an answer that was filtered took something away: %+v", update)
			}
		}
		// What such an answer does hold is news.
		f.put(passing("cart", "cart-3", "10.0.0.3"))
		m.Await("the new one is there", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"))
		if m.Trouble == nil {
			t.Error("the trouble is over though answers are filtered")
		}
		f.set(func() { f.header, f.rows = nil, held })
		m.Await("the trouble is over", mirror.Well)
		m.Await("what was added meanwhile is gone", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
	})
}

func TestConsul04FilteredFromTheStart(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.header = func(_ call, h http.Header) { h.Set(headerFiltered, "true") }
		m := mirror.Start(t, f.source())
		m.Await("trouble is told", mirror.Troubled)
		m.Drain(time.Minute)
		if m.Synced {
			t.Error("a state of which a part is hidden is called complete")
		}
		f.set(func() { f.header = nil })
		m.Await("the first state is complete", mirror.Well)
	})
}

func TestConsul05ErrorsAreHeld(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"500": func(w http.ResponseWriter) { http.Error(w, "No cluster leader", http.StatusInternalServerError) },
		"403": func(w http.ResponseWriter) { http.Error(w, "ACL not found", http.StatusForbidden) },
		"401": func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
		"301": func(w http.ResponseWriter) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusMovedPermanently)
		},
		"EOF":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"HTML":  func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>sign in</html>")) },
		"null":  func(w http.ResponseWriter) { _, _ = w.Write([]byte("null")) },
		"short": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`[{"Node":{"Node":"n"},`)) },
		"reset mid-body": func(w http.ResponseWriter) {
			w.Header().Set("X-Consul-Index", "99")
			_, _ = w.Write([]byte(`[`))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"bad index": func(w http.ResponseWriter) {
			w.Header().Set("X-Consul-Index", "many")
			_, _ = w.Write([]byte(`{}`))
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			eachProtocol(t, func(t *testing.T, f *fake) {
				t.Helper()
				errorsAreHeld(t, f, answer)
			})
		})
	}
}

func errorsAreHeld(t *testing.T, f *fake, answer func(w http.ResponseWriter)) {
	t.Helper()
	f.put(passing("cart", "cart-1", "10.0.0.1"))
	source := f.source()
	m := mirror.Start(t, source)
	m.Await("the first state is complete", mirror.Synced)
	f.abandon()
	f.set(func() { f.fault = func(_ call, w http.ResponseWriter) bool { answer(w); return true } })
	updates := m.Await("trouble is told", mirror.Troubled)
	synctest.Wait()
	from, since := len(f.callsTo(catalogPath)), time.Now()
	updates = append(updates, m.Drain(time.Minute)...)
	for _, update := range updates {
		if len(update.Services)+len(update.Endpoints)+len(update.Workloads) > 0 || update.Trouble == nil {
			t.Errorf("an error took something away: %+v", update)
		}
	}
	if len(updates) > 3 {
		t.Errorf("%d updates say the same: %v", len(updates), func() (all []error) {
			for _, u := range updates {
				all = append(all, u.Trouble)
			}
			return all
		}())
	}
	retries := len(f.callsTo(catalogPath)) - from
	if most := int(2*time.Since(since)/DefaultRecheck) + 10; retries < 10 || retries > most {
		t.Errorf("%d retries in %s, and no more than %d would be fit", retries, time.Since(since), most)
	}
	if source.Stats().Errors == 0 {
		t.Error("errors are not counted")
	}
	f.set(func() { f.fault = nil })
	began := time.Now()
	m.Await("the trouble is over", mirror.Well)
	if waited := time.Since(began); waited > maxBackoff {
		t.Errorf("it took %s to see that all is well", waited)
	}
	f.put(passing("cart", "cart-2", "10.0.0.2"))
	m.Await("changes are seen again", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
}

func TestConsul05ThrottledWaits(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			eachProtocol(t, func(t *testing.T, f *fake) {
				t.Helper()
				source := f.source()
				f.fault = func(_ call, w http.ResponseWriter) bool {
					w.Header().Set("Retry-After", "20")
					w.WriteHeader(status)
					return true
				}
				m := mirror.Start(t, source)
				m.Await("trouble is told", mirror.Troubled)
				m.Drain(59 * time.Second)
				if calls := f.callsTo(catalogPath); len(calls) > 3 {
					t.Errorf("it was asked to wait 20 s and came %d times in a minute", len(calls))
				}
				if source.Stats().Throttled == 0 {
					t.Error("it is not counted")
				}
				f.set(func() { f.fault = nil })
				m.Await("the first state is complete", mirror.Well)
			})
		})
	}
}

func TestConsul06AllQueriesCloseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		const services = 1000
		for i := range services {
			f.put(passing(fmt.Sprintf("s-%d", i), "one", "10.0.0.1"))
		}
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		m.Drain(30 * time.Second)
		f.mu.Lock()
		start := f.maxYoung
		f.calls, f.maxYoung = nil, 0
		f.mu.Unlock()
		// A snapshot is restored: all queries end, and the indexes are those of before.
		f.set(func() { f.index = 5; f.indexes = map[string]uint64{"": 5}; f.extinct = 5 })
		m.Await("trouble is told", mirror.Troubled)
		updates := m.Await("the trouble is over", mirror.Well)
		for _, update := range updates {
			if len(update.Services)+len(update.Endpoints)+len(update.Workloads) > 0 {
				t.Errorf("the storm changed what there is: %+v", update)
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if start > DefaultMaxInFlight || f.maxYoung > DefaultMaxInFlight {
			t.Errorf("%d and %d queries were asked at once that need an answer, %d are allowed", start, f.maxYoung, DefaultMaxInFlight)
		}
	})
}

func TestConsul07VanishedServiceReturns(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		cart := discovery.ServiceID{Namespace: ns, Name: "cart"}
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("stock", "stock-1", "10.0.1.1"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		was := m.Services[cart]
		f.remove("cart", "node-cart-1", "cart-1")
		m.Await("it is empty", mirror.Has(ns, "cart"))
		m.Drain(DefaultLinger / 2)
		if !m.Services[cart].Equal(was) || len(m.Workloads) != 1 {
			t.Fatalf("the service is gone with its last instance, or the instance is not:\n%s", m)
		}
		f.put(passing("cart", "cart-2", "10.0.0.2"))
		m.Await("it is there again", mirror.Has(ns, "cart", "10.0.0.2:8080"))
		for _, update := range m.Log {
			if value, told := update.Services[cart]; told && value == nil {
				t.Errorf("it was gone in between: %+v", update)
			}
		}
		f.remove("cart", "node-cart-2", "cart-2")
		began := time.Now()
		m.Await("it is gone", func(m *mirror.Mirror) bool { return m.Services[cart] == nil })
		if waited := time.Since(began); waited < DefaultLinger || waited > DefaultLinger+2*DefaultHeartbeat {
			t.Errorf("it was gone after %s", waited)
		}
	})
}

func TestConsul08NodesFailAtOnce(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		var want []string
		for i := range 10 {
			row := passing("cart", fmt.Sprintf("c-%d", i), fmt.Sprintf("10.0.0.%d", i))
			row.Checks = append(row.Checks, &api.HealthCheck{Node: row.Node.Node, CheckID: "serfHealth", Status: api.HealthPassing})
			f.put(row)
		}
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		for i := range 10 {
			row := passing("cart", fmt.Sprintf("c-%d", i), fmt.Sprintf("10.0.0.%d", i))
			status, text := api.HealthPassing, ""
			if i < 4 {
				status, text = api.HealthCritical, " unhealthy"
			}
			row.Checks = append(row.Checks, &api.HealthCheck{Node: row.Node.Node, CheckID: "serfHealth", Status: status})
			f.put(row)
			want = append(want, fmt.Sprintf("10.0.0.%d:8080%s", i, text))
		}
		// The endpoints stay, so that panic thresholds count them; whether so many at once are believed is hold's to say.
		m.Await("four are unhealthy", mirror.Has(ns, "cart", want...))
	})
}

func TestConsul09FlappingCheckIsDamped(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		states := []string{api.HealthCritical, api.HealthPassing}
		var changes int
		for i := range 60 {
			f.put(entry("cart", "cart-1", "10.0.0.1", 8080, states[i%2]))
			changes += len(m.Drain(time.Second))
		}
		if changes > flapChanges+1 {
			t.Errorf("60 changes of a check made %d updates", changes)
		}
		if !mirror.Has(ns, "cart", "10.0.0.1:8080 unhealthy")(m) {
			t.Errorf("it does not show its worse state: %v", m.Addresses(ns, "cart"))
		}
		began := time.Now()
		m.Await("it is healthy again", mirror.Has(ns, "cart", "10.0.0.1:8080"))
		if waited := time.Since(began); waited < flapHold-2*time.Second || waited > flapHold+time.Second {
			t.Errorf("it was shown as healthy after %s", waited)
		}
		f.put(entry("cart", "cart-1", "10.0.0.1", 8080, api.HealthCritical))
		began = time.Now()
		m.Await("what is worse passes at once", mirror.Has(ns, "cart", "10.0.0.1:8080 unhealthy"))
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("it took %s", waited)
		}
	})
}

func TestConsul14TokenRotates(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		config := f.config()
		config.TokenFile = filepath.Join(t.TempDir(), "token")
		writeFile(t, config.TokenFile, "first\n")
		valid := "first"
		f.fault = func(c call, w http.ResponseWriter) bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			if c.token != valid {
				http.Error(w, "ACL not found", http.StatusForbidden)
				return true
			}
			return false
		}
		m := mirror.Start(t, mustNew(t, config))
		m.Await("the first state is complete", mirror.Synced)
		synctest.Wait()
		f.set(func() { valid, f.calls = "second", nil })
		writeFile(t, config.TokenFile, "second\n")
		m.Drain(2 * DefaultRecheck)
		paths := []string{catalogPath, healthPath + "cart"}
		if f.caFile == "" {
			paths[1] = checksPath
		}
		for _, path := range paths {
			calls := f.callsTo(path)
			if len(calls) == 0 || calls[len(calls)-1].token != "second" || calls[0].index() != 0 {
				t.Errorf("%s: the open query did not move to the new token and ask at once: %v", path, calls)
			}
		}
		if len(m.Log) != 1 {
			t.Errorf("the rotation was noticed: %+v", m.Log[1:])
		}
		// A file that is lost or spoilt takes nothing away.
		writeFile(t, config.TokenFile, "two words")
		m.Drain(time.Minute)
		f.put(passing("cart", "cart-2", "10.0.0.2"))
		m.Await("changes are seen", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
	})
}

func TestConsul14TokenExpiresWhileQueriesWait(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		config := f.config()
		config.TokenFile = filepath.Join(t.TempDir(), "token")
		writeFile(t, config.TokenFile, "first")
		m := mirror.Start(t, mustNew(t, config))
		m.Await("the first state is complete", mirror.Synced)
		f.set(func() {
			f.fault = func(c call, w http.ResponseWriter) bool {
				if c.token == "first" {
					http.Error(w, "ACL not found", http.StatusForbidden)
				}
				return c.token == "first"
			}
		})
		m.Await("trouble is told", mirror.Troubled)
		if !strings.Contains(m.Trouble.Error(), "denied") || strings.Contains(m.Trouble.Error(), "first") {
			t.Errorf("the trouble does not say why, or tells the token: %v", m.Trouble)
		}
		m.Drain(time.Minute)
		writeFile(t, config.TokenFile, "second")
		began := time.Now()
		m.Await("the trouble is over", mirror.Well)
		if waited := time.Since(began); waited > 2*DefaultRecheck {
			t.Errorf("it took %s to take the new token", waited)
		}
	})
}

func TestConsul16StaleBoundTrips(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		source := f.source()
		m := mirror.Start(t, source)
		m.Await("the first state is complete", mirror.Synced)
		// The leader is lost: servers answer what they last knew, and nobody answers for the leader.
		f.set(func() {
			f.header = func(c call, h http.Header) {
				if c.query.Has("stale") {
					h.Set("X-Consul-Lastcontact", "30000")
				}
			}
			f.fault = func(c call, w http.ResponseWriter) bool {
				if !c.query.Has("stale") {
					http.Error(w, "No cluster leader", http.StatusInternalServerError)
				}
				return !c.query.Has("stale")
			}
		})
		m.Await("trouble is told", mirror.Troubled)
		lost := source.Stats().ReadAt
		m.Drain(time.Minute)
		if !source.Stats().ReadAt.Equal(lost) {
			t.Error("data of servers that lag too far count as fresh")
		}
		f.set(func() { f.fault = nil })
		m.Await("the leader answers", mirror.Well)
		if at := source.Stats().ReadAt; !at.After(lost) {
			t.Errorf("data of the leader do not count as fresh: %s", at)
		}
		// Servers still lag: the leader is asked for a while, instead of trouble that comes and goes.
		if updates := m.Drain(leaderTime / 2); len(updates) > 0 {
			t.Errorf("%d updates though nothing changed, the first is %+v", len(updates), updates[0])
		}
	})
}

// Trouble that came and went while nobody received is told before what it may have caused.
func TestTroubleIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.set(func() { f.index, f.indexes[""] = 1000, 1000 })
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("cart", "cart-2", "10.0.0.2"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		f.set(func() {
			f.rows["cart"] = f.rows["cart"][:1]
			f.index, f.indexes = 5, map[string]uint64{"": 5}
		})
		time.Sleep(time.Minute) //nolint:forbidigo // In a bubble: until all is quiet, with nobody receiving.
		updates := m.Await("all is well", mirror.Has(ns, "cart", "10.0.0.1:8080"))
		if updates[0].Trouble == nil {
			t.Errorf("what a reset caused was sent without trouble: %+v", updates[0])
		}
		m.Await("the trouble is over", mirror.Well)
	})
}
