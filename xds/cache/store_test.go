package cache

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func put(l LayerID, name, group, body string) Change {
	r := NewResource(ResourceConfig{Type: Cluster, Name: name, Group: group, Body: []byte(body)})
	return Change{Layer: l, Ref: Ref{Type: Cluster, Name: name}, Resource: r}
}

func drop(l LayerID, name string) Change {
	return Change{Layer: l, Ref: Ref{Type: Cluster, Name: name}}
}

func seen(s *Snapshot) map[string]string {
	out := map[string]string{}
	s.All(Cluster, func(r *Resource) bool { out[r.name] = string(r.Body()); return true })
	return out
}

func current(t *testing.T, sub watch) *Snapshot {
	t.Helper()
	s, ok := sub.Current()
	if !ok {
		t.Fatal("the node is gone")
	}
	return s
}

// watch is a subscription with its wakes.
type watch struct {
	*Subscription
	wakes <-chan struct{}
}

func subscribe(t *testing.T, s *Store, node string) watch {
	t.Helper()
	wakes := make(chan struct{}, 1)
	sub, err := s.Subscribe(node, func() {
		select {
		case wakes <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	return watch{sub, wakes}
}

func woken(w watch) bool {
	select {
	case <-w.wakes:
		return true
	default:
		return false
	}
}

func TestUnknownNode(t *testing.T) {
	if _, err := NewStore().Subscribe("shop/cart", nil); !errors.Is(err, ErrUnknownNode) {
		t.Errorf("Subscribe() = %v", err)
	}
}

func TestOverrideAndTombstone(t *testing.T) {
	s := NewStore()
	spec := &ViewSpec{Layers: []LayerID{"class", "mesh"}, Scope: All}
	s.Publish(Publication{Changes: []Change{put("mesh", "a", "n/a", "low"), put("mesh", "b", "n/b", "low")}, Nodes: map[string]*ViewSpec{"x": spec}})
	sub := subscribe(t, s, "x")
	before := current(t, sub)
	s.Publish(Publication{Changes: []Change{
		put("class", "a", "", "high"),
		{Layer: "class", Ref: Ref{Cluster, "b"}, Resource: Tombstone(Cluster, "b", "")},
	}})
	if diff := cmp.Diff(map[string]string{"a": "high"}, seen(current(t, sub))); diff != "" {
		t.Error(diff)
	}
	s.Publish(Publication{Changes: []Change{drop("class", "a"), drop("class", "b")}})
	if diff := cmp.Diff(seen(before), seen(current(t, sub))); diff != "" {
		t.Errorf("the lower resources did not come back:\n%s", diff)
	}
	Diff(before, current(t, sub), Cluster, func(a, b *Resource) { t.Errorf("difference %v %v", a, b) })
}

func TestOnlyConcernedStreamsWake(t *testing.T) {
	s := NewStore()
	cart := NewScope(nil, []string{"shop/cart"})
	s.Publish(Publication{
		Changes: []Change{put("mesh", "cart", "shop/cart", "1"), put("mesh", "other", "shop/other", "1")},
		Nodes: map[string]*ViewSpec{
			"all": {Layers: []LayerID{"mesh"}, Scope: All}, "one": {Layers: []LayerID{"mesh"}, Scope: cart},
			"space": {Layers: []LayerID{"mesh"}, Scope: NewScope([]string{"shop"}, nil)},
		},
	})
	all, one, space := subscribe(t, s, "all"), subscribe(t, s, "one"), subscribe(t, s, "space")
	if _, n := s.Publish(Publication{Changes: []Change{put("mesh", "other", "shop/other", "2")}}); n != 2 {
		t.Errorf("concerned %d streams, want 2", n)
	}
	if woken(one) || !woken(all) || !woken(space) {
		t.Error("a stream woke for what it does not see, or one slept")
	}
	if diff := cmp.Diff(map[string]string{"cart": "1"}, seen(current(t, one))); diff != "" {
		t.Error(diff)
	}
	if _, n := s.Publish(Publication{Changes: []Change{put("mesh", "cart", "shop/cart", "1")}}); n != 0 {
		t.Errorf("an equal resource concerned %d streams", n)
	}
}

func TestNodeMovesAndGoes(t *testing.T) {
	s := NewStore()
	s.Publish(Publication{
		Changes: []Change{put("a", "a", "", "1"), put("b", "b", "", "1")},
		Nodes:   map[string]*ViewSpec{"x": {Layers: []LayerID{"a"}, Scope: All}, "y": {Layers: []LayerID{"b"}, Scope: All}},
	})
	sub := subscribe(t, s, "x")
	settled := 0
	rev, n := s.Publish(Publication{Nodes: map[string]*ViewSpec{"x": {Layers: []LayerID{"b"}, Scope: All}}, Settled: func() { settled++ }})
	if n != 1 || !woken(sub) || current(t, sub).Rev() != rev {
		t.Errorf("move concerned %d streams and has rev %d, want %d", n, current(t, sub).Rev(), rev)
	}
	sub.Settle(current(t, sub).Rev())
	if settled != 1 {
		t.Errorf("settled %d times", settled)
	}
	s.Publish(Publication{Nodes: map[string]*ViewSpec{"x": nil}})
	if _, ok := sub.Current(); ok || !woken(sub) {
		t.Error("the stream of a node that went does not know it")
	}
}

func TestSettledWaitsForAllAndForClosed(t *testing.T) {
	s := NewStore()
	spec := &ViewSpec{Layers: []LayerID{"mesh"}, Scope: All}
	s.Publish(Publication{Nodes: map[string]*ViewSpec{"x": spec, "y": spec}})
	x, y := subscribe(t, s, "x"), subscribe(t, s, "y")
	sent, settled := 0, 0
	rev, _ := s.Publish(Publication{
		Changes: []Change{put("mesh", "a", "", "1")}, Sent: func() { sent++ }, Settled: func() { settled++ },
	})
	x.Settle(rev)
	x.Settle(rev)
	x.Send(rev)
	if sent != 0 || settled != 0 {
		t.Fatal("sent or settled although a stream still owes it")
	}
	y.Send(rev - 1)
	y.Send(rev)
	y.Send(rev)
	if sent != 1 || settled != 0 {
		t.Fatalf("sent %d times, want 1; settled %d times, want 0", sent, settled)
	}
	y.Close()
	y.Close()
	if sent != 1 || settled != 1 {
		t.Errorf("sent %d times and settled %d times, want 1", sent, settled)
	}
}

// TestStoreEqualsModel makes random publications and compares every view with one
// computed from scratch, and every stream's running difference with its view.
func TestStoreEqualsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		for range rapid.IntRange(1, 30).Draw(t, "publications") {
			m.publish(t)
			m.check(t)
		}
	})
}

type model struct {
	store  *Store
	layers map[LayerID]map[string]Change
	nodes  map[string]*ViewSpec
	subs   map[string]*Subscription
	shown  map[string]*Snapshot
	client map[string]map[string]string
}

func newModel() *model {
	return &model{
		store: NewStore(), layers: map[LayerID]map[string]Change{"a": {}, "b": {}, "c": {}}, nodes: map[string]*ViewSpec{},
		subs: map[string]*Subscription{}, shown: map[string]*Snapshot{}, client: map[string]map[string]string{},
	}
}

func (m *model) publish(t *rapid.T) {
	p := Publication{Nodes: map[string]*ViewSpec{}}
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		l := rapid.SampledFrom([]LayerID{"a", "b", "c"}).Draw(t, "layer")
		name := fmt.Sprintf("n%d", rapid.IntRange(0, 6).Draw(t, "name"))
		group := rapid.SampledFrom([]string{"", "x/1", "x/2", "y/1"}).Draw(t, "group")
		c := put(l, name, group, rapid.SampledFrom([]string{"1", "2"}).Draw(t, "body"))
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			c = drop(l, name)
		case 1:
			c.Resource = Tombstone(Cluster, name, group)
		}
		p.Changes = append(p.Changes, c)
		m.layers[l][name] = c
	}
	for range rapid.IntRange(0, 2).Draw(t, "moves") {
		node := rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "node")
		p.Nodes[node] = drawSpec(t)
		m.nodes[node] = p.Nodes[node]
	}
	m.store.Publish(p)
}

func drawSpec(t *rapid.T) *ViewSpec {
	scope := rapid.SampledFrom([]Scope{
		All, NewScope(nil, nil), NewScope([]string{"x"}, nil), NewScope(nil, []string{"x/1", "y/1"}), NewScope([]string{"x"}, []string{"x/1"}),
	}).Draw(t, "scope")
	layers := rapid.SampledFrom([][]LayerID{nil, {"a"}, {"a", "b"}, {"b", "a"}, {"c", "b", "a"}}).Draw(t, "layers")
	if rapid.IntRange(0, 5).Draw(t, "gone") == 0 {
		return nil
	}
	return &ViewSpec{Layers: layers, Scope: scope}
}

func (m *model) want(spec *ViewSpec) map[string]string {
	out := map[string]string{}
	for _, id := range slices.Backward(spec.Layers) {
		for name, c := range m.layers[id] {
			switch {
			case c.Resource == nil || !spec.Scope.Contains(c.Resource.group):
			case c.Resource.IsTombstone():
				delete(out, name)
			default:
				out[name] = string(c.Resource.Body())
			}
		}
	}
	return out
}

func (m *model) check(t *rapid.T) {
	for node, spec := range m.nodes {
		if spec == nil {
			m.forget(node)
			continue
		}
		if m.subs[node] == nil {
			sub, err := m.store.Subscribe(node, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.subs[node], m.client[node] = sub, map[string]string{}
		}
		m.checkNode(t, node, m.want(spec))
	}
}

func (m *model) forget(node string) {
	if m.subs[node] != nil {
		m.subs[node].Close()
	}
	delete(m.subs, node)
	delete(m.shown, node)
}

func (m *model) checkNode(t *rapid.T, node string, want map[string]string) {
	snapshot, ok := m.subs[node].Current()
	if !ok {
		t.Fatalf("node %s is gone", node)
	}
	if snapshot.Rev() < m.shown[node].Rev() {
		t.Fatalf("node %s: rev went from %d to %d", node, m.shown[node].Rev(), snapshot.Rev())
	}
	changed := map[string]bool{}
	Diff(m.shown[node], snapshot, Cluster, func(a, b *Resource) {
		if changed[nameOf(a, b)] {
			t.Fatalf("%s visited twice", nameOf(a, b))
		}
		changed[nameOf(a, b)] = true
		if b == nil {
			delete(m.client[node], a.name)
		} else {
			m.client[node][b.name] = string(b.Body())
		}
	})
	m.shown[node] = snapshot
	if diff := cmp.Diff(want, seen(snapshot)); diff != "" {
		t.Fatalf("node %s sees (-want +got):\n%s", node, diff)
	}
	if !maps.Equal(want, m.client[node]) {
		t.Fatalf("node %s: differences lead to %v, want %v", node, m.client[node], want)
	}
}
