package cache_test

import (
	"testing"

	"outrigger.dev/outrigger/xds/cache"
)

func TestStoreDescribesItsViews(t *testing.T) {
	t.Parallel()
	store := cache.NewStore()
	resource := cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "a", Body: []byte("a"), Group: "shop/cart"})
	all := cache.ViewSpec{Layers: []cache.LayerID{"mesh"}, Scope: cache.All}
	small := cache.ViewSpec{Layers: []cache.LayerID{"mesh"}, Scope: cache.NewScope(nil, []string{"shop/web"})}
	store.Publish(cache.Publication{
		Changes: []cache.Change{{Layer: "mesh", Ref: cache.Ref{Type: cache.Cluster, Name: "a"}, Resource: resource}},
		Nodes:   map[string]*cache.ViewSpec{"shop/b": &all, "shop/a": &all, "shop/c": &small},
	})
	sub, err := store.Subscribe("shop/c", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()

	views := store.Views()
	if len(views) != 2 {
		t.Fatalf("%d views, want 2", len(views))
	}
	if got := views[0]; len(got.Nodes) != 2 || got.Nodes[0] != "shop/a" || got.Nodes[1] != "shop/b" || got.Streams != 0 {
		t.Errorf("the view of all: %v nodes, %d streams", got.Nodes, got.Streams)
	}
	if views[0].Snapshot.Get(cache.Cluster, "a") == nil || views[1].Snapshot.Get(cache.Cluster, "a") != nil {
		t.Error("snapshots do not follow the scopes")
	}
	if view, ok := store.View("shop/c"); !ok || view.Streams != 1 || view.Spec.Scope.Key() != small.Scope.Key() {
		t.Errorf("view of shop/c: %+v, %t", view, ok)
	}
	if _, ok := store.View("shop/d"); ok {
		t.Error("a node without a view has one")
	}
	want := cache.Stats{Rev: 1, Layers: 1, Views: 2, Scopes: 2, Nodes: 3}
	want.Resources[cache.Cluster] = 1
	if got := store.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}
