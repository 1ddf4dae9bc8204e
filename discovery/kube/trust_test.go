package kube

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/internal/conns"
)

var cart = discovery.ServiceID{Namespace: "shop", Name: "cart"}

// reading is a source that runs, and what its updates add up to.
type reading struct {
	t         *testing.T
	source    *Source
	updates   chan discovery.Update
	ended     chan error
	stop      context.CancelFunc
	endpoints map[discovery.ShardID]*discovery.EndpointSet
	workloads map[discovery.WorkloadID]*discovery.Workload
	// namespaces holds nil for those that are gone.
	namespaces map[string]*discovery.Namespace
	problems   map[discovery.ObjectID][]discovery.Problem
	synced     bool
	trouble    error
	// count is the number of updates, last the last one.
	count int
	last  discovery.Update
}

func read(f *fakeAPI) *reading {
	ctx, stop := context.WithCancel(context.Background())
	r := &reading{
		t: f.t, source: f.source(), updates: make(chan discovery.Update), ended: make(chan error, 1), stop: stop,
		endpoints: make(map[discovery.ShardID]*discovery.EndpointSet), workloads: make(map[discovery.WorkloadID]*discovery.Workload),
		namespaces: make(map[string]*discovery.Namespace), problems: make(map[discovery.ObjectID][]discovery.Problem),
	}
	go func() { r.ended <- r.source.Run(ctx, r.updates) }()
	return r
}

func (r *reading) close() {
	r.stop()
	if err := <-r.ended; !errors.Is(err, context.Canceled) {
		r.t.Errorf("Run returned %v", err)
	}
}

// run lets time pass and takes what comes.
func (r *reading) run(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case update := <-r.updates:
			r.take(update)
		case <-timer.C:
			return
		}
	}
}

// next takes one update.
func (r *reading) next() { r.take(<-r.updates) }

func (r *reading) take(update discovery.Update) {
	r.count++
	r.last, r.trouble, r.synced = update, update.Trouble, r.synced || update.Synced
	maps.Copy(r.endpoints, update.Endpoints)
	maps.Copy(r.namespaces, update.Namespaces)
	maps.Copy(r.problems, update.Problems)
	for id, workload := range update.Workloads {
		if r.workloads[id] = workload; workload == nil {
			delete(r.workloads, id)
		}
	}
}

// serving is how many healthy endpoints cart has.
func (r *reading) serving() int {
	set := r.endpoints[discovery.ShardID{Service: cart, Source: testID}]
	if set == nil || len(set.Ports) == 0 {
		return 0
	}
	count := 0
	for _, e := range set.Ports[0].Endpoints {
		if e.Health == discovery.Healthy {
			count++
		}
	}
	return count
}

func (r *reading) want(what string, trouble error, healthy int) {
	r.t.Helper()
	if !errors.Is(r.trouble, trouble) || r.serving() != healthy {
		r.t.Errorf("%s: trouble %v, %d healthy endpoints; want %v, %d", what, r.trouble, r.serving(), trouble, healthy)
	}
}

func cartService() map[string]any {
	return map[string]any{"spec": map[string]any{
		"clusterIPs": []string{"10.96.0.10"}, "selector": map[string]any{"app": "cart"}, "ports": []any{map[string]any{"port": 80}},
	}}
}

// cartSlice is one with endpoints at the addresses; those that begin with "!" are not ready.
func cartSlice(addresses ...string) map[string]any {
	endpoints := make([]any, 0, len(addresses))
	for _, address := range addresses {
		e := map[string]any{"addresses": []string{address}}
		if address[0] == '!' {
			e = map[string]any{"addresses": []string{address[1:]}, "conditions": map[string]any{"ready": false, "serving": false}}
		}
		if address[0] == '-' {
			e = map[string]any{"addresses": []string{address[1:]}, "conditions": map[string]any{"ready": false, "serving": true, "terminating": true}}
		}
		endpoints = append(endpoints, e)
	}
	return map[string]any{
		"metadata":    map[string]any{"labels": map[string]any{"kubernetes.io/service-name": "cart"}},
		"addressType": "IPv4", "ports": []any{map[string]any{"port": 8080}}, "endpoints": endpoints,
	}
}

// inBubble runs a test with a fake that holds cart with two endpoints, in a time of its own.
func inBubble(t *testing.T, test func(f *fakeAPI)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeAPI(t)
		f.put("services", "cart", cartService())
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.1", "10.0.0.2"))
		test(f)
	})
}

func TestFirstState(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		r.want("at first", nil, 2)
		if !r.synced || r.count != 1 {
			f.t.Errorf("%d updates, synced %t; want one that is the whole state", r.count, r.synced)
		}
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.1", "10.0.0.2", "10.0.0.3"))
		r.run(time.Millisecond)
		r.want("after a change", nil, 3)
		if r.last.ReadAt.IsZero() {
			f.t.Error("the update does not say when the change was read")
		}
	})
}

func TestRefusals(t *testing.T) {
	for code, class := range map[int]error{
		http.StatusUnauthorized: ErrDenied, http.StatusForbidden: ErrDenied,
		http.StatusInternalServerError: ErrFailing, http.StatusTooManyRequests: ErrFailing,
	} {
		inBubble(t, func(f *fakeAPI) {
			r := read(f)
			defer r.close()
			r.run(time.Second)
			f.with(func() { f.refuse["endpointslices"] = code })
			f.cut()
			r.run(10 * time.Second)
			r.want("while it is refused", class, 2)
			f.put("endpointslices", "cart-a", cartSlice("10.0.0.1"))
			f.with(func() { f.refuse["endpointslices"] = 0 })
			r.run(10 * time.Second)
			r.want("afterwards", nil, 1)
		})
	}
}

func TestRefusedFromTheStart(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		f.refuse[""] = http.StatusForbidden
		r := read(f)
		defer r.close()
		r.run(time.Minute)
		if !errors.Is(r.trouble, ErrDenied) || r.synced {
			f.t.Errorf("trouble %v, synced %t", r.trouble, r.synced)
		}
		f.with(func() { f.refuse[""] = 0 })
		r.run(10 * time.Second)
		r.want("afterwards", nil, 2)
	})
}

// A server that hangs is noticed within ten seconds, and left.
func TestHang(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		f.with(func() { f.hang = true })
		r.run(conns.Beat + conns.AskLimit)
		r.want("while it hangs", ErrUnreachable, 2)
		r.run(2 * (conns.Beat + conns.AskLimit))
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.1"), true)
		f.with(func() { f.hang = false })
		r.run(time.Minute)
		r.want("afterwards", nil, 1)
	})
}

// A server that is slow is told to be, and not asked for everything anew: that would make it slower.
func TestSlow(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		resets, began := r.source.Stats().Resets, 0
		f.with(func() { f.slow, began = conns.AskLimit+time.Second, len(f.asked) })
		r.run(conns.Beat + conns.AskLimit)
		r.want("while it is slow", ErrUnreachable, 2)
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.1", "10.0.0.2", "10.0.0.3"))
		count := r.count
		r.run(30 * time.Minute)
		r.want("while it is slow", ErrUnreachable, 3)
		if now := r.source.Stats().Resets; now != resets || r.count != count+1 {
			f.t.Errorf("%d watches ended and %d updates were told of one change", now-resets, r.count-count)
		}
		// Watches are opened again when they ended as they should; heartbeats are asked every six or seven seconds.
		f.with(func() {
			asked := 0
			for _, path := range f.asked[began:] {
				if !strings.HasSuffix(path, "/kube-system") {
					asked++
				}
			}
			if most := 6 * int(30*time.Minute/watchLimit); asked > most {
				f.t.Errorf("%d requests besides the heartbeat in half an hour, more than %d", asked, most)
			}
			f.slow = 0
		})
		r.run(time.Minute)
		r.want("afterwards", nil, 3)
	})
}

// The trouble is told with or before what the server says afterwards.
func TestOlderState(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		f.with(func() {
			f.version = 50
			delete(f.objects["endpointslices"], "cart-a")
		})
		f.cut()
		for r.serving() == 2 {
			if r.next(); r.serving() < 2 && r.trouble == nil {
				f.t.Fatal("endpoints go without a word of trouble")
			}
		}
		r.run(4 * time.Minute)
		r.want("soon after", ErrOlder, 0)
		if _, err := r.source.Confirm(f.t.Context(), cart); !errors.Is(err, ErrOlder) {
			f.t.Errorf("an older state is confirmed: %v", err)
		}
		r.run(2 * time.Minute)
		r.want("after five minutes", nil, 0)
	})
}

// A server that was behind for a moment is believed as soon as it caught up.
func TestOlderStateCatchesUp(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		f.with(func() { f.version = 50 })
		f.cut()
		r.run(20 * time.Second)
		r.want("while it is older", ErrOlder, 2)
		f.with(func() { f.version = 500 })
		r.run(2 * conns.Beat)
		r.want("after it caught up", nil, 2)
	})
}

func TestOtherCluster(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		f.with(func() {
			f.uid, f.version = "cluster-b", 9000
			clear(f.objects)
		})
		f.cut()
		r.run(10 * time.Minute)
		r.want("while the other one answers", ErrOtherCluster, 2)
		if _, err := r.source.Confirm(f.t.Context(), cart); !errors.Is(err, ErrOtherCluster) {
			f.t.Errorf("another cluster confirms: %v", err)
		}
		f.with(func() { f.uid = "cluster-a" })
		f.put("services", "cart", cartService())
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.1"))
		r.run(20 * time.Second)
		r.want("afterwards", nil, 1)
	})
}

// A watch that breaks may have missed what nobody tells again: everything is read anew.
func TestMissedEvents(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.9"), true)
		r.run(time.Minute)
		r.want("before the watch breaks", nil, 2)
		f.cut()
		if r.next(); r.trouble == nil {
			f.t.Error("a broken watch is no trouble")
		}
		r.run(5 * time.Second)
		r.want("after it broke", nil, 1)
		if resets := r.source.Stats().Resets; resets != 6 {
			f.t.Errorf("%d resets of 6 watches", resets)
		}
	})
}

func TestExpiredVersion(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(time.Second)
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.9"), true)
		f.with(func() {
			f.tell("endpointslices", event("ERROR", map[string]any{"apiVersion": "v1", "kind": "Status", "code": 410, "reason": "Expired"}))
		})
		before := r.count
		r.run(5 * time.Second)
		r.want("after it expired", nil, 1)
		if r.count != before+1 {
			f.t.Errorf("%d updates for one change", r.count-before)
		}
	})
}

// Servers without streams of a full state are read page by page.
func TestLists(t *testing.T) {
	for name, prepare := range map[string]func(f *fakeAPI){
		"refused": func(f *fakeAPI) { f.lists = true },
		"endless": func(f *fakeAPI) { f.endless = true },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fakeAPI) {
				prepare(f)
				r := read(f)
				defer r.close()
				r.run(30 * time.Second)
				r.want("at first", nil, 2)
				f.put("endpointslices", "cart-a", cartSlice("10.0.0.1"))
				r.run(time.Millisecond)
				r.want("after a change", nil, 1)
			})
		})
	}
}

// Watches that end when they are to are no trouble, and nothing is read again.
func TestLongWatches(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		r := read(f)
		defer r.close()
		r.run(2 * watchLimit)
		f.cut()
		before := r.count
		r.run(time.Minute)
		r.want("after the watches ended", nil, 2)
		if r.count != before || r.source.Stats().Resets != 0 {
			f.t.Errorf("%d updates and %d resets because watches ended in time", r.count-before, r.source.Stats().Resets)
		}
	})
}

func vm(address string) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": "cart"}},
		"spec":     map[string]any{"addresses": []string{address}},
	}
}

// A cluster without the kind Workload has none, and that is no trouble.
func TestKindThatIsNotInstalled(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		f.refuse["workloads"], f.crd = http.StatusNotFound, "gone"
		r := read(f)
		defer r.close()
		r.run(time.Minute)
		r.want("without the kind", nil, 2)
		f.with(func() { f.refuse["workloads"], f.crd = 0, "" })
		f.put("workloads", "vm-1", vm("192.0.2.1"))
		r.run(20 * time.Second)
		r.want("with it", nil, 3)
	})
}

// Before a kind goes its objects are deleted, which looks like somebody's will.
func TestKindThatGoes(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		f.put("workloads", "vm-1", vm("192.0.2.1"))
		f.put("workloads", "vm-2", vm("192.0.2.2"))
		r := read(f)
		defer r.close()
		r.run(time.Second)
		r.want("at first", nil, 4)
		f.remove("workloads", "vm-1")
		r.run(time.Second)
		r.want("without one of them", nil, 3)
		f.with(func() { f.crd = "going" })
		f.remove("workloads", "vm-2")
		r.run(time.Second)
		r.want("while the kind goes", ErrMissing, 3)
		f.with(func() { f.refuse["workloads"], f.crd = http.StatusNotFound, "gone" })
		r.run(time.Minute)
		r.want("when it is gone", ErrMissing, 3)
		f.with(func() { f.refuse["workloads"], f.crd = 0, "" })
		r.run(10 * time.Second)
		r.want("when it is back", nil, 2)
	})
}
