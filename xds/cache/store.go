package cache

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"outrigger.dev/outrigger/xds/internal/prefetch"
)

// ErrUnknownNode says that no view is assigned to a node.
var ErrUnknownNode = errors.New("no workload of that name")

// Change puts one resource into a layer, or, with a nil Resource, takes the name out of it.
type Change struct {
	Layer    LayerID
	Ref      Ref
	Resource *Resource
}

// Publication is what changes at once: no snapshot shows a part of it.
type Publication struct {
	Changes []Change
	// Nodes assigns views to nodes; nil takes the node away and ends its streams' subscriptions.
	Nodes map[string]*ViewSpec
	// Sent, when not nil, is called in the same way when the last of these streams was sent all of it. It comes before Settled.
	Sent func()
	// Settled, when not nil, is called once, from any goroutine, when the last stream that the
	// publication concerns has settled it or ended. It must not block. It is not called when Publish returns 0.
	Settled func()
}

// Store holds the layers and views. One goroutine publishes; any may subscribe.
type Store struct {
	mu     sync.Mutex
	rev    Rev
	layers map[LayerID]*layer
	views  map[string]*view
	nodes  map[string]*view
	// byLayer finds the views that hold a layer, by the key of their scope.
	byLayer map[LayerID]map[string]map[*view]struct{}
	// streams are the open subscriptions by node.
	streams map[string]map[*Subscription]struct{}
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{
		layers: map[LayerID]*layer{}, views: map[string]*view{}, nodes: map[string]*view{},
		byLayer: map[LayerID]map[string]map[*view]struct{}{}, streams: map[string]map[*Subscription]struct{}{},
	}
}

// Subscribe opens a stream's access to what the node sees. The error wraps ErrUnknownNode when nothing is assigned to it.
// After Current has changed, wake is called, which must not block nor call the Store; nil is for who looks by itself.
func (s *Store) Subscribe(node string, wake func()) (*Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.nodes[node]
	if v == nil {
		return nil, fmt.Errorf("node %q: %w", node, ErrUnknownNode)
	}
	if wake == nil {
		wake = func() {}
	}
	sub := &Subscription{store: s, node: node, wake: wake}
	sub.view.Store(v)
	v.streams[sub] = struct{}{}
	if s.streams[node] == nil {
		s.streams[node] = map[*Subscription]struct{}{}
	}
	s.streams[node][sub] = struct{}{}
	return sub, nil
}

func (s *Store) unsubscribe(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := sub.view.Load(); v != nil {
		delete(v.streams, sub)
	}
	delete(s.streams[sub.node], sub)
	if len(s.streams[sub.node]) == 0 {
		delete(s.streams, sub.node)
	}
}

// Rev returns the number of the last publication.
func (s *Store) Rev() Rev {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rev
}

// Publish makes a publication visible and wakes the streams that it concerns.
// It returns its number and how many streams that were.
func (s *Store) Publish(p Publication) (rev Rev, concerned int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rev++
	touched := s.apply(p.Changes)
	moved := s.assign(p.Nodes)
	for v := range touched {
		if v.nodes > 0 {
			v.snapshot.Store(s.snapshotOf(v))
		}
	}
	return s.rev, s.wake(touched, moved, p)
}

// apply changes the layers and returns the views that hold one of the changed parts.
func (s *Store) apply(changes []Change) map[*view]struct{} {
	dirty := map[LayerID]map[string]struct{}{}
	for _, c := range changes {
		if dirty[c.Layer] == nil {
			dirty[c.Layer] = map[string]struct{}{}
		}
		s.layer(c.Layer).put(c.Ref, c.Resource, dirty[c.Layer])
	}
	touched := map[*view]struct{}{}
	for id, keys := range dirty {
		for key := range keys {
			delete(s.layers[id].current, key)
			for v := range s.byLayer[id][key] {
				touched[v] = struct{}{}
			}
		}
		s.dropIfUnused(id)
	}
	return touched
}

func (s *Store) layer(id LayerID) *layer {
	l := s.layers[id]
	if l == nil {
		l = newLayer()
		s.layers[id] = l
	}
	return l
}

// dropIfUnused forgets a layer that holds nothing and that no view names.
func (s *Store) dropIfUnused(id LayerID) {
	if l := s.layers[id]; l != nil && len(l.groups) == 0 && len(s.byLayer[id]) == 0 {
		delete(s.layers, id)
	}
}

// assign moves nodes to their views and returns the subscriptions that moved.
func (s *Store) assign(nodes map[string]*ViewSpec) map[*Subscription]struct{} {
	moved := map[*Subscription]struct{}{}
	for node, spec := range nodes {
		old := s.nodes[node]
		var next *view
		if spec != nil {
			next = s.acquire(*spec)
			s.nodes[node] = next
		} else {
			delete(s.nodes, node)
		}
		if next != old {
			s.move(node, old, next, moved)
		}
		if old != nil {
			s.release(old)
		}
	}
	return moved
}

// move takes the streams of a node from one view to another. The snapshot of the new view gets the
// present number, so that a stream never sees numbers go back.
func (s *Store) move(node string, old, next *view, moved map[*Subscription]struct{}) {
	if next != nil && len(s.streams[node]) > 0 {
		next.snapshot.Store(s.snapshotOf(next))
	}
	for sub := range s.streams[node] {
		if old != nil {
			delete(old.streams, sub)
		}
		if next != nil {
			next.streams[sub] = struct{}{}
		}
		sub.view.Store(next)
		moved[sub] = struct{}{}
	}
}

// acquire returns the view of a spec, made when it is new; every acquire needs a release.
func (s *Store) acquire(spec ViewSpec) *view {
	key := spec.key()
	v := s.views[key]
	if v == nil {
		v = &view{
			spec: ViewSpec{Layers: slices.Clone(spec.Layers), Scope: spec.Scope}, key: key,
			streams: map[*Subscription]struct{}{},
		}
		s.views[key] = v
		for _, id := range v.spec.Layers {
			s.layer(id).acquire(spec.Scope)
			s.holds(id, v)
		}
		v.snapshot.Store(s.snapshotOf(v))
	}
	v.nodes++
	return v
}

func (s *Store) release(v *view) {
	if v.nodes--; v.nodes > 0 {
		return
	}
	delete(s.views, v.key)
	for _, id := range v.spec.Layers {
		s.layers[id].release(v.spec.Scope)
		s.holdsNoMore(id, v)
		s.dropIfUnused(id)
	}
}

// holds notes that a view holds a layer.
func (s *Store) holds(id LayerID, v *view) {
	byScope, key := s.byLayer[id], v.spec.Scope.key
	if byScope == nil {
		byScope = map[string]map[*view]struct{}{}
		s.byLayer[id] = byScope
	}
	if byScope[key] == nil {
		byScope[key] = map[*view]struct{}{}
	}
	byScope[key][v] = struct{}{}
}

func (s *Store) holdsNoMore(id LayerID, v *view) {
	byScope, key := s.byLayer[id], v.spec.Scope.key
	if delete(byScope[key], v); len(byScope[key]) == 0 {
		delete(byScope, key)
	}
	if len(byScope) == 0 {
		delete(s.byLayer, id)
	}
}

func (s *Store) snapshotOf(v *view) *Snapshot {
	snapshot := &Snapshot{rev: s.rev, layers: make([]*generation, len(v.spec.Layers)), self: &identity{}}
	for i, id := range v.spec.Layers {
		snapshot.layers[i] = s.layers[id].snapshot(v.spec.Scope.key)
	}
	return snapshot
}

// together is how many streams are asked for at once.
const together = 16

// wake signals the streams of the touched views and those that moved. Each is looked at once: with thousands of them,
// it is in no processor's cache.
func (s *Store) wake(touched map[*view]struct{}, moved map[*Subscription]struct{}, what Publication) int {
	concerned := concernedBy(touched, moved)
	if len(concerned) == 0 {
		return 0
	}
	var p *publication
	if what.Sent != nil || what.Settled != nil {
		p = newPublication(s.rev, what, len(concerned))
	}
	for some := range slices.Chunk(concerned, together) {
		for _, sub := range some {
			prefetch.Of(sub)
		}
		for _, sub := range some {
			if p != nil {
				sub.due.add(p)
			}
			sub.wake()
		}
	}
	return len(concerned)
}

// concernedBy returns the streams of the touched views and those that moved.
func concernedBy(touched map[*view]struct{}, moved map[*Subscription]struct{}) []*Subscription {
	size := len(moved)
	for v := range touched {
		size += len(v.streams)
	}
	all := make([]*Subscription, 0, size)
	for v := range touched {
		for sub := range v.streams {
			all = append(all, sub)
		}
	}
	for sub := range moved {
		if _, again := touched[sub.view.Load()]; !again {
			all = append(all, sub)
		}
	}
	return all
}
