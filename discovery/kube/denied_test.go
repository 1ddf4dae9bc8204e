package kube

import (
	"net/http"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
)

var namespacesResource = discovery.ObjectID{Kind: kindResource, Name: "namespaces"}

// denied reports whether the reader knows that namespaces may not be read.
func (r *reading) denied() bool {
	problems := r.problems[namespacesResource]
	return len(problems) == 1 && problems[0].Reason == "Denied" && problems[0].Warning
}

// A server that is newer than its ClusterRole goes on without what the mesh does not need, and finds the right when it is given.
func TestNoRightOnAuxiliaryKind(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		f.put("namespaces", "shop", map[string]any{})
		f.refuse["namespaces"] = http.StatusForbidden
		r := read(f)
		defer r.close()
		r.run(time.Minute)
		r.want("without the right", nil, 2)
		if !r.synced || !r.denied() || len(r.namespaces) > 0 {
			f.t.Errorf("without the right: synced %t, problems %v, namespaces %v", r.synced, r.problems, r.namespaces)
		}
		count := r.count
		r.run(time.Hour)
		if r.count != count {
			f.t.Errorf("%d updates in an hour in which nothing changed", r.count-count)
		}
		f.with(func() { f.refuse["namespaces"] = 0 })
		r.run(absentPause + time.Second)
		r.want("with the right", nil, 2)
		if r.denied() || r.namespaces["shop"] == nil {
			f.t.Errorf("with the right: problems %v, namespaces %v", r.problems, r.namespaces)
		}
	})
}

// A right that is taken away leaves what was read, and no doubt about anything else.
func TestRightOnAuxiliaryKindGoes(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		f.put("namespaces", "shop", map[string]any{})
		r := read(f)
		defer r.close()
		r.run(time.Second)
		f.with(func() { f.refuse["namespaces"] = http.StatusForbidden })
		f.cut()
		r.run(time.Minute)
		r.want("without the right", nil, 2)
		if !r.denied() || r.namespaces["shop"] == nil {
			f.t.Errorf("without the right: problems %v, namespaces %v", r.problems, r.namespaces)
		}
		f.put("endpointslices", "cart-a", cartSlice("10.0.0.1"))
		r.run(time.Second)
		r.want("after a change", nil, 1)
		f.with(func() { f.refuse["namespaces"] = 0 })
		r.run(absentPause + time.Second)
		if r.denied() {
			f.t.Errorf("with the right: problems %v", r.problems)
		}
	})
}

// A right to watch that is taken away while that to list stays, of a server that does not stream a full state: what can be listed is told
// neither to be well nor to be missing again and again, and is not listed without end.
func TestRightToWatchGoes(t *testing.T) {
	for resource, trouble := range map[string]error{"namespaces": nil, "services": ErrDenied} {
		t.Run(resource, func(t *testing.T) {
			inBubble(t, func(f *fakeAPI) {
				f.put("namespaces", "shop", map[string]any{})
				f.lists = true
				r := read(f)
				defer r.close()
				r.run(time.Minute)
				f.with(func() { f.unwatched[resource] = http.StatusForbidden })
				f.cut()
				r.run(time.Minute)
				r.want("without the right", trouble, 2)
				if !r.synced || r.denied() != (trouble == nil) || r.namespaces["shop"] == nil {
					f.t.Errorf("without the right: synced %t, problems %v, namespaces %v", r.synced, r.problems, r.namespaces)
				}
				count, asked := r.count, f.requests()
				r.run(10 * time.Minute)
				if r.count != count {
					f.t.Errorf("%d updates in which nothing changed", r.count-count)
				}
				// Beside them there is a heartbeat every five seconds.
				if more := f.requests() - asked; more > 1500 {
					f.t.Errorf("%d requests in ten minutes", more)
				}
				f.with(func() { f.unwatched[resource] = 0 })
				r.run(absentPause + time.Second)
				r.want("with the right", nil, 2)
				if r.denied() {
					f.t.Errorf("with the right: problems %v", r.problems)
				}
			})
		})
	}
}

// A server whose watches end at once is not asked for everything many times a second.
func TestWatchesThatEndAtOnce(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		f.ends = true
		r := read(f)
		defer r.close()
		r.run(time.Minute)
		asked := f.requests()
		r.run(10 * time.Minute)
		if more := f.requests() - asked; more > 6000 || r.serving() != 2 {
			f.t.Errorf("%d requests in ten minutes, %d healthy endpoints", more, r.serving())
		}
	})
}

// Another failure of such a kind is trouble, as it is of every kind.
func TestAuxiliaryKindFails(t *testing.T) {
	inBubble(t, func(f *fakeAPI) {
		f.refuse["namespaces"] = http.StatusInternalServerError
		r := read(f)
		defer r.close()
		r.run(time.Minute)
		r.want("while it fails", ErrFailing, 0)
		if r.synced || r.denied() {
			f.t.Errorf("while it fails: synced %t, problems %v", r.synced, r.problems)
		}
	})
}
