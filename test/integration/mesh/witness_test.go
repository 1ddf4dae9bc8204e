package mesh_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// lookEvery is how often a witness looks.
const lookEvery = 50 * time.Millisecond

// witness looks at what a sidecar knows of a service all the time, and notes the two errors that there are: live endpoints
// that it was not to use, and dead ones that it was to.
type witness struct {
	client  *pod
	service string
	cancel  context.CancelFunc
	done    chan struct{}

	mu sync.Mutex
	// live and dead are addresses with the names of their pods; dead ones with when they died.
	live map[string]string
	dead map[string]grave
	// lost counts looks at which a live endpoint was missing, kept is when a dead one was seen last.
	lost  map[string]int
	kept  map[string]time.Duration
	looks int
}

type grave struct {
	name string
	died time.Time
}

// watchEndpoints begins to look.
func watchEndpoints(t *testing.T, client *pod, service string, live ...*pod) *witness {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &witness{
		client: client, service: service, cancel: cancel, done: make(chan struct{}),
		live: map[string]string{}, dead: map[string]grave{}, lost: map[string]int{}, kept: map[string]time.Duration{},
	}
	w.lives(live...)
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
	t.Cleanup(w.stop)
	return w
}

func (w *witness) stop() {
	w.cancel()
	<-w.done
}

// lives says that these are to be used from now on. They have to be known already.
func (w *witness) lives(pods ...*pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range pods {
		w.live[p.IPv4.String()] = p.Name
		delete(w.dead, p.IPv4.String())
	}
}

// dies says that these are gone from now on.
func (w *witness) dies(pods ...*pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range pods {
		delete(w.live, p.IPv4.String())
		w.dead[p.IPv4.String()] = grave{name: p.Name, died: time.Now()}
	}
}

func (w *witness) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			began := time.Now()
			if known, err := w.client.knows(ctx, w.service); err == nil {
				w.note(began, known)
			}
		}
	}
}

func (w *witness) note(now time.Time, known map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	for address, name := range w.live {
		if known[address] != "HEALTHY" {
			w.lost[name]++
		}
	}
	for address, g := range w.dead {
		if known[address] == "HEALTHY" && now.After(g.died) {
			w.kept[g.name] = now.Sub(g.died)
		}
	}
}

// finish fails the test when a live endpoint was lost, and tells how long dead ones were kept.
func (w *witness) finish(t *testing.T) {
	t.Helper()
	w.stop()
	if w.looks == 0 {
		t.Error("the witness saw nothing")
	}
	if len(w.lost) > 0 {
		t.Errorf("live endpoints were lost, at so many of %d looks: %v", w.looks, w.lost)
	}
	t.Logf("%d looks: live endpoints lost: %d; dead endpoints kept: %d of %d", w.looks, len(w.lost), len(w.kept), len(w.dead))
	for _, name := range slices.Sorted(maps.Keys(w.kept)) {
		t.Logf("%s was used for %s after its end", name, w.kept[name].Round(time.Millisecond))
	}
}
