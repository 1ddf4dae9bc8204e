package serve

import (
	"slices"
	"strconv"
	"sync"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/cmd/outrigger/internal/problems"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/debug"
)

// board holds everything that is wrong with what users wrote, by who found it.
type board struct {
	mu sync.Mutex
	// places are where objects stand: the compiler and the core do not always know it.
	places *problems.Places
	files  map[string][]discovery.Problem
	// found is by finder, then by object.
	found map[string]map[discovery.ObjectID][]discovery.Problem
	// told passes on what every finder found; nil: nobody else wants it.
	told func(finder string, changed map[discovery.ObjectID][]discovery.Problem)
}

func newBoard() *board {
	return &board{
		places: problems.NewPlaces(),
		files:  map[string][]discovery.Problem{},
		found:  map[string]map[discovery.ObjectID][]discovery.Problem{},
	}
}

// setFiles takes in what a source says of places and of its files, before anything is made of it.
func (b *board) setFiles(files map[string][]discovery.Problem, places map[discovery.ObjectID]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.places.Note(places)
	upsert(b.files, files)
}

// set takes in what a finder found, and returns what is new of it, with its place.
func (b *board) set(finder string, changed map[discovery.ObjectID][]discovery.Problem) []discovery.Problem {
	if len(changed) == 0 {
		return nil
	}
	if b.told != nil {
		b.told(finder, changed)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.found[finder]
	if known == nil {
		known = map[discovery.ObjectID][]discovery.Problem{}
		b.found[finder] = known
	}
	var fresh []discovery.Problem
	for object, list := range changed {
		for _, p := range list {
			if !slices.Contains(known[object], p) {
				fresh = append(fresh, p)
			}
		}
	}
	upsert(known, changed)
	fresh = b.places.Fill(fresh)
	problems.Sort(fresh)
	return fresh
}

// emptied returns that nothing is wrong any more of what a finder found.
func (b *board) emptied(finder string) map[discovery.ObjectID][]discovery.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	clean := map[discovery.ObjectID][]discovery.Problem{}
	for object := range b.found[finder] {
		clean[object] = nil
	}
	return clean
}

// upsert takes in lists that are complete; an empty one says that nothing is wrong any more.
func upsert[K comparable](known, changed map[K][]discovery.Problem) {
	for key, list := range changed {
		if len(list) == 0 {
			delete(known, key)
			continue
		}
		known[key] = list
	}
}

// all returns every problem with its place, sorted by it.
func (b *board) all() []discovery.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []discovery.Problem
	for _, list := range b.files {
		all = append(all, list...)
	}
	for _, found := range b.found {
		for _, list := range found {
			all = append(all, list...)
		}
	}
	all = b.places.Fill(all)
	problems.Sort(all)
	return all
}

// forDebug is what the debug socket shows.
func (b *board) forDebug() []debug.Problem { return problems.ForDebug(b.all()) }

// forMetrics is what the metrics show.
func (b *board) forMetrics() []metrics.Problem {
	all := b.all()
	shown := make([]metrics.Problem, 0, len(all))
	for _, p := range all {
		file, line := problems.Place(p.Location)
		problem := metrics.Problem{File: file, Field: p.Field, Reason: p.Reason, Warning: p.Warning}
		if line > 0 {
			problem.Line = strconv.Itoa(line)
		}
		shown = append(shown, problem)
	}
	return shown
}
