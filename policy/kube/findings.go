package kube

import (
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// findings is what the control plane knows of objects. Whoever learns something puts it in, and never waits.
type findings struct {
	// wake says that something changed.
	wake chan struct{}

	mu sync.Mutex
	// problems are the lists of each finder.
	problems map[string]map[discovery.ObjectID][]discovery.Problem
	// taken are the generations of the objects that rules were made of.
	taken map[discovery.ObjectID]int64
	// sources is the trouble with sources; nil while nobody has said anything.
	sources *string
	// changed are the objects of which something else is known than when they were asked for last.
	changed map[discovery.ObjectID]bool
}

func newFindings() *findings {
	return &findings{
		wake:     make(chan struct{}, 1),
		problems: make(map[string]map[discovery.ObjectID][]discovery.Problem),
		taken:    make(map[discovery.ObjectID]int64),
		changed:  make(map[discovery.ObjectID]bool),
	}
}

func (f *findings) awake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *findings) set(finder string, problems map[discovery.ObjectID][]discovery.Problem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.problems[finder]
	if known == nil {
		known = make(map[discovery.ObjectID][]discovery.Problem)
		f.problems[finder] = known
	}
	for id, list := range problems {
		if slices.Equal(known[id], list) {
			continue
		}
		f.changed[id] = true
		if known[id] = list; len(list) == 0 {
			delete(known, id)
		}
	}
	f.awake()
}

// take notes the generations of objects.
func (f *findings) take(objects compile.Objects) {
	f.mu.Lock()
	defer f.mu.Unlock()
	note(f, objects.MeshConfigs)
	note(f, objects.ProxyConfigs)
	note(f, objects.AuthenticationPolicies)
	f.awake()
}

// note takes the generations of one kind.
func note[O any, P interface {
	*O
	metav1.Object
}](f *findings, objects map[discovery.ObjectID]P) {
	for id, object := range objects {
		f.changed[id] = true
		if object == nil {
			delete(f.taken, id)
			continue
		}
		f.taken[id] = object.GetGeneration()
	}
}

func (f *findings) setSources(trouble string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sources != nil && *f.sources == trouble {
		return
	}
	f.sources = &trouble
	f.changed[discovery.ObjectID{Kind: v1alpha1.KindMeshConfig, Name: v1alpha1.MeshConfigName}] = true
	f.awake()
}

// news returns the objects of which something else is known than the last time.
func (f *findings) news() map[discovery.ObjectID]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := f.changed
	f.changed = make(map[discovery.ObjectID]bool)
	return changed
}

// finding is what is known of one object.
type finding struct {
	problems []discovery.Problem
	// taken is the generation that is in use, 0 when that is not known.
	taken int64
	// sources is the trouble with sources, nil when that is not known.
	sources *string
}

func (f *findings) of(id discovery.ObjectID) finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := finding{taken: f.taken[id], sources: f.sources}
	for _, finder := range slices.Sorted(maps.Keys(f.problems)) {
		found.problems = append(found.problems, f.problems[finder][id]...)
	}
	return found
}

// refused reports whether a problem keeps the object from being used.
func (f finding) refused() bool {
	return slices.ContainsFunc(f.problems, func(p discovery.Problem) bool { return !p.Warning })
}
