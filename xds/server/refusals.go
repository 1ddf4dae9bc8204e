package server

import (
	"sync"
	"sync/atomic"

	"outrigger.dev/outrigger/xds/cache"
)

// refusals remembers, for all streams, which contents clients of which version
// refused. Such content is still tried once on every stream, because the
// reason may lie in one proxy alone, but never in one response with others.
type refusals struct {
	size  atomic.Int64
	mu    sync.Mutex
	known map[refusal]struct{}
	order []refusal // the oldest first
}

type refusal struct {
	agent   string
	typ     cache.Type
	name    string
	version string
}

// maxRefusals bounds what is remembered; the oldest is forgotten first.
const maxRefusals = 4096

func newRefusals() *refusals { return &refusals{known: map[refusal]struct{}{}} }

func (r *refusals) add(agent string, res *cache.Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusalOf(agent, res)
	if _, ok := r.known[key]; ok {
		return
	}
	if len(r.order) == maxRefusals {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	r.known[key] = struct{}{}
	r.order = append(r.order, key)
	r.size.Store(int64(len(r.order)))
}

// some reports whether anything is known to be refused, which it seldom is.
func (r *refusals) some() bool { return r.size.Load() > 0 }

// touch reports whether anything that is listed is known to be refused.
func (r *refusals) touch(agent string, l *cache.Listing) bool {
	if !r.some() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for known := range r.known {
		i, listed := l.Names().Position(known.name)
		if listed && known.agent == agent && known == refusalOf(agent, l.Resources()[i]) {
			return true
		}
	}
	return false
}

func refusalOf(agent string, res *cache.Resource) refusal {
	return refusal{agent: agent, typ: res.Type(), name: res.Name(), version: res.Version()}
}

func (r *refusals) contains(agent string, res *cache.Resource) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.known[refusalOf(agent, res)]
	return ok
}
