package cache

import (
	"fmt"
	"testing"
)

// BenchmarkPublishScoped is one changed resource among 1,000, where so many views have a scope of 20 each.
func BenchmarkPublishScoped(b *testing.B) {
	for _, views := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(views), func(b *testing.B) { benchScoped(b, views) })
	}
}

func benchScoped(b *testing.B, views int) {
	b.Helper()
	const services = 1000
	s := NewStore()
	p := Publication{Nodes: map[string]*ViewSpec{}}
	for i := range services {
		p.Changes = append(p.Changes, benchService(i, "0"))
	}
	for v := range views {
		groups := make([]string, 20)
		for i := range groups {
			groups[i] = fmt.Sprintf("bench/service-%d", (v*20+i)%services)
		}
		p.Nodes[fmt.Sprint("n", v)] = &ViewSpec{Layers: []LayerID{"class", "mesh"}, Scope: NewScope(nil, groups)}
	}
	s.Publish(p)
	for v := range views {
		sub, err := s.Subscribe(fmt.Sprint("n", v), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer sub.Close()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, concerned := s.Publish(Publication{Changes: []Change{benchService(i%20, fmt.Sprint(i+1))}})
		if want := (views*20 + services - 1) / services; concerned != want {
			b.Fatalf("concerned %d streams, want %d", concerned, want)
		}
	}
}

func benchService(i int, body string) Change {
	name := fmt.Sprintf("outbound|80||service-%d.bench", i)
	r := NewResource(ResourceConfig{Type: Endpoints, Name: name, Group: fmt.Sprintf("bench/service-%d", i), Body: []byte(body)})
	return Change{Layer: "mesh", Ref: Ref{Type: Endpoints, Name: name}, Resource: r}
}

// BenchmarkListing makes the listing of 1,000 resources.
func BenchmarkListing(b *testing.B) {
	s := NewStore()
	p := Publication{Nodes: map[string]*ViewSpec{"n": {Layers: []LayerID{"class", "mesh"}, Scope: All}}}
	for i := range 1000 {
		p.Changes = append(p.Changes, benchService(i, "0"))
	}
	s.Publish(p)
	info, _ := s.View("n")
	b.ReportAllocs()
	for b.Loop() {
		if l := info.Snapshot.newListing(Endpoints); l.Names().Len() != 1000 {
			b.Fatalf("%d names", l.Names().Len())
		}
	}
}
