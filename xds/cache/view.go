package cache

import (
	"strings"
	"sync/atomic"
)

// ViewSpec says what a node sees: layers, the most specific first, within a scope.
type ViewSpec struct {
	Layers []LayerID
	Scope  Scope
}

func (v ViewSpec) key() string {
	var b strings.Builder
	for _, id := range v.Layers {
		b.WriteString(string(id))
		b.WriteByte('\n')
	}
	b.WriteString(v.Scope.key)
	return b.String()
}

// view is shared by all nodes with the same spec.
type view struct {
	spec     ViewSpec
	key      string
	nodes    int // how many nodes are assigned to it
	streams  map[*Subscription]struct{}
	snapshot atomic.Pointer[Snapshot]
}

// Subscription is one stream's access to what its node sees.
// Current and Settle may be called by the stream's owner at any time.
type Subscription struct {
	view atomic.Pointer[view] // nil once the node is gone
	due  dueList
	wake func()

	store *Store
	node  string
}

// Current returns the latest snapshot of the node's view; ok is false once the node is gone.
func (s *Subscription) Current() (snapshot *Snapshot, ok bool) {
	v := s.view.Load()
	if v == nil {
		return nil, false
	}
	return v.snapshot.Load(), true
}

// Send says that the stream was sent everything up to rev, though it may not have answered.
func (s *Subscription) Send(rev Rev) { s.due.send(rev) }

// Settle says that the stream has everything up to rev acknowledged, or refused and parked. A publication may be
// seen before it is known to be owed: it is to be settled after every wake, which costs next to nothing.
func (s *Subscription) Settle(rev Rev) { s.due.settle(rev) }

// Close ends the subscription and settles what the stream still owed. It may be called more than once.
func (s *Subscription) Close() {
	s.store.unsubscribe(s)
	s.due.settle(^Rev(0))
}
