package merge_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/merge"
)

var sources = []discovery.SourceID{
	{Kind: "kubernetes", Name: "main"},
	{Kind: "kubernetes", Name: "other"},
	{Kind: "file", Name: "mesh"},
	{Kind: "consul", Name: "dc1"},
	{Kind: "consul", Name: "dc2"},
}

func dump(v any) string {
	text, err := yamlv3.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// facts is what the sources and rules say in the end.
type facts struct {
	services  map[discovery.SourceID]map[discovery.ServiceID]*discovery.Service
	shards    map[discovery.SourceID]map[discovery.ShardID]*discovery.EndpointSet
	workloads map[discovery.SourceID]map[discovery.WorkloadID]*discovery.Workload
	rules     []discovery.JoinRule
}

func newFacts() *facts {
	f := &facts{}
	f.services = map[discovery.SourceID]map[discovery.ServiceID]*discovery.Service{}
	f.shards = map[discovery.SourceID]map[discovery.ShardID]*discovery.EndpointSet{}
	f.workloads = map[discovery.SourceID]map[discovery.WorkloadID]*discovery.Workload{}
	return f
}

// keep takes an update in.
func (f *facts) keep(u discovery.Update) {
	keep(f.services, u.Source, u.Services)
	keep(f.shards, u.Source, u.Endpoints)
	keep(f.workloads, u.Source, u.Workloads)
}

func keep[K comparable, V any](in map[discovery.SourceID]map[K]*V, source discovery.SourceID, changes map[K]*V) {
	if in[source] == nil {
		in[source] = map[K]*V{}
	}
	for key, value := range changes {
		if in[source][key] = value; value == nil {
			delete(in[source], key)
		}
	}
}

// fresh returns what a Merge says that is told the outcome at once, source by source in the order given.
func (f *facts) fresh(order []discovery.SourceID) (*world, error) {
	m, w := merge.New(), newWorld()
	errs := w.apply(m.Rules(f.rules))
	for _, source := range order {
		errs = errors.Join(errs, w.apply(m.Apply(discovery.Update{
			Source: source, Services: f.services[source], Endpoints: f.shards[source], Workloads: f.workloads[source],
		})))
	}
	return w, errs
}

// TestEquivalence: whatever happened, in whatever order, a Merge has said what one says that is told the outcome at once.
func TestEquivalence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, w, f := merge.New(), newWorld(), newFacts()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if err := w.apply(next(t, m, f)); err != nil {
				t.Fatal(err)
			}
			want, err := f.fresh(rapid.Permutation(sources).Draw(t, "order"))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.differs(want); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestNothingStays: when all sources and rules have gone, nothing is said any more and nothing kept.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, w, f := merge.New(), newWorld(), newFacts()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if err := w.apply(next(t, m, f)); err != nil {
				t.Fatal(err)
			}
		}
		for _, source := range sources {
			if err := w.apply(m.Remove(source)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.apply(m.Rules(nil)); err != nil {
			t.Fatal(err)
		}
		if err := w.differs(newWorld()); err != nil {
			t.Fatal(err)
		}
		if n := m.Records(); n != 0 {
			t.Fatalf("%d records are left", n)
		}
	})
}

// next makes one thing happen to a Merge.
func next(t *rapid.T, m *merge.Merge, f *facts) merge.Changes {
	switch rapid.IntRange(0, 12).Draw(t, "what") {
	case 0:
		f.rules = drawRules(t)
		return m.Rules(f.rules)
	case 1:
		source := rapid.SampledFrom(sources).Draw(t, "source")
		delete(f.services, source)
		delete(f.shards, source)
		delete(f.workloads, source)
		return m.Remove(source)
	}
	u := discovery.Update{Source: rapid.SampledFrom(sources).Draw(t, "source"), Services: map[discovery.ServiceID]*discovery.Service{}}
	u.Endpoints, u.Workloads = map[discovery.ShardID]*discovery.EndpointSet{}, map[discovery.WorkloadID]*discovery.Workload{}
	for range rapid.IntRange(1, 3).Draw(t, "values") {
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			id := drawService(t)
			u.Services[id] = drawValue(t, u.Source, id)
		case 1:
			id := discovery.ShardID{Service: drawService(t), Source: u.Source}
			u.Endpoints[id] = drawSet(t, id)
		default:
			id := discovery.WorkloadID{Namespace: "shop", Name: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "workload")}
			u.Workloads[id] = drawWorkload(t, id)
		}
	}
	f.keep(u)
	return m.Apply(u)
}

var names = []string{"cart", "basket"}

func drawService(t *rapid.T) discovery.ServiceID {
	return discovery.ServiceID{
		Namespace: rapid.SampledFrom([]string{"shop", "consul"}).Draw(t, "namespace"), Name: rapid.SampledFrom(names).Draw(t, "name"),
	}
}

func drawJoin(t *rapid.T) *discovery.Join {
	j := &discovery.Join{
		Kind: rapid.SampledFrom([]string{"consul", "consul", "consul", "file"}).Draw(t, "kind"), Name: rapid.SampledFrom(names).Draw(t, "joined"),
		Source: rapid.SampledFrom([]string{"", "", "dc1"}).Draw(t, "source"), Port: rapid.SampledFrom([]uint16{0, 0, 80, 90, 99}).Draw(t, "port"),
	}
	if rapid.Bool().Draw(t, "shared") {
		share := rapid.SampledFrom([]uint8{0, 1, 30, 100}).Draw(t, "share")
		j.Share = &share
	}
	return j
}

func drawRules(t *rapid.T) []discovery.JoinRule {
	var rules []discovery.JoinRule
	for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
		rules = append(rules, discovery.JoinRule{
			Object: discovery.ObjectID{Kind: "MeshConfig", Name: "default"}, Field: fmt.Sprintf("spec.joins[%d]", i),
			Service: drawService(t), Join: *drawJoin(t),
		})
	}
	return rules
}

func drawValue(t *rapid.T, source discovery.SourceID, id discovery.ServiceID) *discovery.Service {
	if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
		return nil
	}
	v := &discovery.Service{ID: id, Origin: discovery.Origin{Kind: "Service", Location: rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "at")}}
	for _, port := range []uint16{80, 90} {
		if rapid.IntRange(0, 3).Draw(t, "port") > 0 {
			v.Ports = append(v.Ports, discovery.ServicePort{Port: port})
		}
	}
	if source.Kind == "consul" {
		v.Registered = rapid.SampledFrom([]string{"", "cart", "basket"}).Draw(t, "registered")
	} else if rapid.Bool().Draw(t, "joins") {
		v.Join = drawJoin(t)
	}
	return v
}

func drawSet(t *rapid.T, id discovery.ShardID) *discovery.EndpointSet {
	if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
		return nil
	}
	set := &discovery.EndpointSet{ID: id}
	for _, port := range []uint16{80, 90} {
		p := discovery.PortEndpoints{Port: port}
		for i := range 4 {
			if rapid.Bool().Draw(t, "endpoint") {
				p.Endpoints = append(p.Endpoints, drawEndpoint(t, byte(i)))
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "host") == 0 {
			p.Hosts = []discovery.Host{{Name: "db.example", Port: 5432, Weight: 1, Health: drawHealth(t)}}
		}
		if len(p.Endpoints)+len(p.Hosts) > 0 {
			set.Ports = append(set.Ports, p)
		}
	}
	return set
}

func drawHealth(t *rapid.T) discovery.Health {
	return rapid.SampledFrom([]discovery.Health{
		discovery.Healthy, discovery.Healthy, discovery.Degraded, discovery.Unhealthy, discovery.Draining,
	}).Draw(t, "health")
}

func drawEndpoint(t *rapid.T, last byte) discovery.Endpoint {
	e := discovery.Endpoint{
		Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, last}), 8080), Health: drawHealth(t),
		Weight: rapid.Uint32Range(1, 3).Draw(t, "weight"),
	}
	if rapid.Bool().Draw(t, "named") {
		e.Workload = discovery.WorkloadID{Namespace: "shop", Name: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "workload")}
	}
	return e
}

func drawWorkload(t *rapid.T, id discovery.WorkloadID) *discovery.Workload {
	if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
		return nil
	}
	addresses := rapid.SliceOfNDistinct(rapid.Byte().Filter(func(b byte) bool { return b < 4 }), 1, 2, rapid.ID).Draw(t, "addresses")
	slices.Sort(addresses)
	w := &discovery.Workload{ID: id, Health: drawHealth(t), HostNetwork: rapid.Bool().Draw(t, "host network")}
	w.Origin = discovery.Origin{Kind: "Pod", Location: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "at")}
	for _, b := range addresses {
		w.Addresses = append(w.Addresses, netip.AddrFrom4([4]byte{10, 0, 0, b}))
	}
	return w
}
