package policykube_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/policy/compile"
	policykube "outrigger.dev/outrigger/policy/kube"
)

// reader is one run of a source and what it told.
type reader struct {
	t       *testing.T
	source  *policykube.Source
	updates chan compile.Update
	objects map[discovery.ObjectID]metav1.Object
	places  map[discovery.ObjectID]string
	wrong   compile.Problems
	synced  int
	trouble error
	// told counts updates, troubled those with trouble.
	told, troubled int
}

// read runs a source until the test ends.
func read(t *testing.T, config *rest.Config) *reader {
	t.Helper()
	source, err := policykube.New(policykube.Config{Name: "kubernetes", REST: config, Logger: logger(t), Retry: time.Second})
	must(t, err)
	r := follow(t, source)
	r.source = source
	return r
}

// follow runs anything that gives policies until the test ends.
func follow(t *testing.T, source hold.PolicySource) *reader {
	t.Helper()
	r := &reader{
		t: t, updates: make(chan compile.Update),
		objects: make(map[discovery.ObjectID]metav1.Object), places: make(map[discovery.ObjectID]string),
		wrong: make(compile.Problems),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx, r.updates) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return r
}

// until takes updates until something holds.
func (r *reader) until(what string, holds func() bool) {
	r.t.Helper()
	ctx := limited(r.t)
	for !holds() {
		select {
		case <-ctx.Done():
			r.t.Fatalf("never: %s; objects %v, trouble %v", what, r.places, r.trouble)
		case update := <-r.updates:
			r.take(update)
		}
	}
}

// quiet demands that nothing is told for a while.
func (r *reader) quiet(d time.Duration) {
	r.t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case update := <-r.updates:
		r.t.Errorf("an update that says nothing new: %+v", update)
	case <-timer.C:
	}
}

// watch takes what is told for a while.
func (r *reader) watch(d time.Duration) {
	r.t.Helper()
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

func (r *reader) take(update compile.Update) {
	r.t.Helper()
	if update.Source != (discovery.SourceID{Kind: "kubernetes", Name: "kubernetes"}) {
		r.t.Errorf("the update is of source %s", update.Source)
	}
	if update.Trouble == nil && r.trouble == nil && !update.Synced && len(update.Objects.Locations) == 0 && len(update.Problems) == 0 {
		r.t.Error("an update that says nothing")
	}
	r.told++
	if update.Synced {
		r.synced++
	}
	if update.Trouble != nil {
		r.troubled++
	}
	r.trouble = update.Trouble
	store(r, update.Objects.MeshConfigs)
	store(r, update.Objects.ProxyConfigs)
	store(r, update.Objects.AuthenticationPolicies)
	maps.Copy(r.places, update.Objects.Locations)
	maps.Copy(r.wrong, update.Problems)
}

func store[O any, P interface {
	*O
	metav1.Object
}](r *reader, objects map[discovery.ObjectID]P) {
	for id, object := range objects {
		if object == nil {
			delete(r.objects, id)
			continue
		}
		r.objects[id] = object
	}
}
