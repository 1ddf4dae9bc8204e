package cache

import (
	"bytes"
	"runtime"
	"slices"
	"testing"
)

func listed(l *Listing) []string {
	var names []string
	for i, r := range l.Resources() {
		if position, ok := l.Names().Position(r.Name()); !ok || position != i || l.Names().At(i) != r.Name() {
			return []string{"a resource is not where its name is: " + r.Name()}
		}
		names = append(names, r.Name())
	}
	return names
}

func TestListingIsWhatTheSnapshotShows(t *testing.T) {
	s := NewStore()
	cluster := func(layer LayerID, name, body string, refs ...string) Change {
		config := ResourceConfig{Type: Cluster, Name: name, Body: []byte(body)}
		for _, ref := range refs {
			config.Refs = append(config.Refs, Ref{Type: Endpoints, Name: ref}, Ref{Type: Secret, Name: "roots"})
		}
		return Change{Layer: layer, Ref: Ref{Type: Cluster, Name: name}, Resource: NewResource(config)}
	}
	endpoints := func(name string) Change {
		return Change{Layer: "mesh", Ref: Ref{Type: Endpoints, Name: name}, Resource: NewResource(
			ResourceConfig{Type: Endpoints, Name: name, Body: []byte("body")},
		)}
	}
	s.Publish(Publication{
		Changes: []Change{
			cluster("mesh", "a", "low", "a"), cluster("mesh", "b", "low", "b"), cluster("mesh", "hidden", "low", "gone"),
			cluster("class", "a", "high", "a"),
			{Layer: "class", Ref: Ref{Type: Cluster, Name: "hidden"}, Resource: Tombstone(Cluster, "hidden", "")},
			endpoints("a"), endpoints("b"),
		},
		Nodes: map[string]*ViewSpec{"n": {Layers: []LayerID{"class", "mesh"}, Scope: All}},
	})
	snapshot := current(t, subscribe(t, s, "n"))

	l := snapshot.Listing(Cluster)
	var want []string
	var chunks []byte
	snapshot.All(Cluster, func(r *Resource) bool {
		want = append(want, r.Name())
		chunks = append(chunks, r.Chunk()...)
		return true
	})
	if got := listed(l); len(want) != 2 || !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if !bytes.Equal(l.Chunks(), chunks) || l.Size() != len(chunks) {
		t.Error("the chunks are not those of the resources in order")
	}
	all := snapshot.Listing(Endpoints)
	if l.References(Endpoints) != all.Names() {
		t.Error("clusters that name all endpoints do not share their set")
	}
	if secrets := l.References(Secret); secrets.Len() != 1 || secrets.At(0) != "roots" {
		t.Errorf("referenced secrets: %v", secrets)
	}
	if l.References(Route) != nil {
		t.Error("routes are referenced by nothing")
	}
	runtime.KeepAlive(all)
}

func TestListingIsSharedWhileItIsUsed(t *testing.T) {
	s := NewStore()
	s.Publish(Publication{
		Changes: []Change{put("mesh", "a", "", "body")},
		Nodes:   map[string]*ViewSpec{"n": {Layers: []LayerID{"mesh"}, Scope: All}},
	})
	snapshot := current(t, subscribe(t, s, "n"))
	l := snapshot.Listing(Cluster)
	runtime.GC()
	if snapshot.Listing(Cluster) != l {
		t.Error("a listing that is used is made again")
	}
	runtime.KeepAlive(l)
	runtime.GC()
	if snapshot.listings.byType[Cluster].Value() != nil {
		t.Error("a listing that nobody uses is kept")
	}
}

// TestNamesOfOneHash: two names whose hashes are the same are two.
func TestNamesOfOneHash(t *testing.T) {
	const one, other, third = "e97600", "e117992", "e97601"
	if hashOf(one) != hashOf(other) {
		t.Fatal("the names have two hashes")
	}
	names := newNames([]string{other, one})
	for i, name := range []string{other, one} {
		if position, ok := names.Position(name); !ok || position != i {
			t.Errorf("%s is at %d, %t", name, position, ok)
		}
	}
	if position, ok := newNames([]string{one}).Position(other); ok {
		t.Errorf("%s is at %d among others", other, position)
	}
	if position, ok := names.Position(third); ok {
		t.Errorf("%s is at %d among others", third, position)
	}
}
