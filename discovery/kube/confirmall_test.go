package kube

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
)

func runningPod(address, phase string) map[string]any {
	return map[string]any{"status": map[string]any{"phase": phase, "podIP": address}}
}

// inTown runs a test with a source that has read three pods, of which one has run its course and one has no address
// yet, and a machine.
func inTown(t *testing.T, test func(f *fakeAPI, r *reading)) {
	t.Helper()
	inBubble(t, func(f *fakeAPI) {
		f.put("pods", "cart-1", runningPod("10.0.0.1", "Running"))
		f.put("pods", "cart-2", runningPod("10.0.0.2", "Succeeded"))
		f.put("pods", "cart-3", runningPod("", "Pending"))
		f.put("workloads", "vm-1", vm("192.0.2.1"))
		r := read(f)
		defer r.close()
		r.run(time.Second)
		test(f, r)
	})
}

// confirms demands which workloads a second list has.
func (r *reading) confirms(names ...string) {
	r.t.Helper()
	ids, err := r.source.ConfirmWorkloads(r.t.Context())
	var got []string
	for _, id := range ids {
		got = append(got, id.String())
	}
	if err != nil || !slices.Equal(got, names) {
		r.t.Errorf("it confirms %v, %v; want %v", got, err, names)
	}
}

// refuses demands an error of that class from every second list.
func (r *reading) refuses(class error) {
	r.t.Helper()
	if _, err := r.source.ConfirmWorkloads(r.t.Context()); !errors.Is(classify(err), class) {
		r.t.Errorf("workloads: %v; want %v", err, class)
	}
	if _, err := r.source.ConfirmServices(r.t.Context()); !errors.Is(classify(err), class) {
		r.t.Errorf("services: %v; want %v", err, class)
	}
}

// The second list has what the source says that there is, whatever the watch has told.
func TestConfirmAll(t *testing.T) {
	inTown(t, func(f *fakeAPI, r *reading) {
		r.confirms("shop/cart-1", "shop/vm-1")
		if len(r.workloads) != 2 {
			f.t.Errorf("the source says %v", r.workloads)
		}
		ids, err := r.source.ConfirmServices(f.t.Context())
		if err != nil || !slices.Equal(ids, []discovery.ServiceID{cart}) {
			f.t.Errorf("it confirms %v, %v", ids, err)
		}
		f.put("pods", "cart-4", runningPod("10.0.0.4", "Running"), true)
		f.with(func() { delete(f.objects["pods"], "cart-1") })
		r.confirms("shop/cart-4", "shop/vm-1")
		f.with(func() { clear(f.objects) })
		r.confirms()
		if ids, err := r.source.ConfirmServices(f.t.Context()); err != nil || len(ids) > 0 {
			f.t.Errorf("it confirms %v, %v", ids, err)
		}
	})
}

func TestConfirmAllNeedsTrust(t *testing.T) {
	for name, c := range map[string]struct {
		class  error
		spoil  func(f *fakeAPI)
		cutOff bool
	}{
		"another cluster":      {ErrOtherCluster, func(f *fakeAPI) { f.uid = "cluster-b" }, false},
		"an older state":       {ErrOlder, func(f *fakeAPI) { f.version = 50 }, false},
		"a known older state":  {ErrOlder, func(f *fakeAPI) { f.version = 50 }, true},
		"a refusal":            {ErrDenied, func(f *fakeAPI) { f.refuse[""] = http.StatusForbidden }, false},
		"a server that throws": {ErrFailing, func(f *fakeAPI) { f.refuse[""] = http.StatusInternalServerError }, false},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(f *fakeAPI, r *reading) {
				f.with(func() { c.spoil(f) })
				if c.cutOff {
					f.cut()
					r.run(20 * time.Second)
				}
				r.refuses(c.class)
			})
		})
	}
}

// While the kind goes, and when it is gone, machines are not: only a cluster that never had one has none.
func TestConfirmAllWithoutTheKind(t *testing.T) {
	inTown(t, func(f *fakeAPI, r *reading) {
		for _, state := range []string{"going", "gone"} {
			f.with(func() {
				f.crd = state
				delete(f.objects, "workloads")
				if state == "gone" {
					f.refuse["workloads"] = http.StatusNotFound
				}
			})
			if ids, err := r.source.ConfirmWorkloads(f.t.Context()); !errors.Is(classify(err), ErrMissing) {
				f.t.Errorf("%s: it confirms %v, %v", state, ids, err)
			}
		}
	})
	// What was installed again is on its way back.
	inTown(t, func(f *fakeAPI, r *reading) {
		r.run(10 * time.Second)
		f.with(func() {
			f.since = time.Now()
			delete(f.objects, "workloads")
		})
		if ids, err := r.source.ConfirmWorkloads(f.t.Context()); !errors.Is(classify(err), ErrMissing) {
			f.t.Errorf("made anew: it confirms %v, %v", ids, err)
		}
		r.run(youngLimit)
		r.confirms("shop/cart-1")
	})
	inBubble(t, func(f *fakeAPI) {
		f.refuse["workloads"], f.crd = http.StatusNotFound, "gone"
		f.put("pods", "cart-1", runningPod("10.0.0.1", "Running"))
		r := read(f)
		defer r.close()
		r.run(time.Second)
		r.confirms("shop/cart-1")
	})
}

func TestConfirmAllNeedsARun(t *testing.T) {
	f := newFakeAPI(t)
	if _, err := f.source().ConfirmWorkloads(t.Context()); err == nil {
		t.Error("a source that does not run confirms")
	}
}
