package serve

import (
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
	// files by name; rules and model by object.
	files map[string][]discovery.Problem
	rules map[discovery.ObjectID][]discovery.Problem
	model map[discovery.ObjectID][]discovery.Problem
}

func newBoard() *board {
	return &board{
		files: map[string][]discovery.Problem{},
		rules: map[discovery.ObjectID][]discovery.Problem{},
		model: map[discovery.ObjectID][]discovery.Problem{},
	}
}

func (b *board) setFiles(changed map[string][]discovery.Problem) { upsert(b, b.files, changed) }

func (b *board) setRules(changed map[discovery.ObjectID][]discovery.Problem) {
	upsert(b, b.rules, changed)
}

func (b *board) setModel(changed map[discovery.ObjectID][]discovery.Problem) {
	upsert(b, b.model, changed)
}

// upsert takes in lists that are complete; an empty one says that nothing is wrong any more.
func upsert[K comparable](b *board, known, changed map[K][]discovery.Problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, list := range changed {
		if len(list) == 0 {
			delete(known, key)
			continue
		}
		known[key] = list
	}
}

// all returns every problem, sorted by place.
func (b *board) all() []discovery.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []discovery.Problem
	for _, list := range b.files {
		all = append(all, list...)
	}
	for _, found := range []map[discovery.ObjectID][]discovery.Problem{b.rules, b.model} {
		for _, list := range found {
			all = append(all, list...)
		}
	}
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
