package merge_test

import (
	"fmt"
	"reflect"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/merge"
)

// world is what a Merge has said, put together.
type world struct {
	services  map[discovery.ServiceID]*discovery.Service
	shards    map[discovery.ShardID]*discovery.EndpointSet
	workloads map[discovery.WorkloadID]*discovery.Workload
	problems  map[discovery.ObjectID][]discovery.Problem
}

func newWorld() *world {
	return &world{
		services:  map[discovery.ServiceID]*discovery.Service{},
		shards:    map[discovery.ShardID]*discovery.EndpointSet{},
		workloads: map[discovery.WorkloadID]*discovery.Workload{},
		problems:  map[discovery.ObjectID][]discovery.Problem{},
	}
}

// apply puts changes in.
func (w *world) apply(c merge.Changes) error {
	for _, u := range c.Updates {
		if err := w.update(u); err != nil {
			return err
		}
	}
	for object, list := range c.Problems {
		if slices.Equal(list, w.problems[object]) {
			return fmt.Errorf("problems of %s are no change", object)
		}
		if w.problems[object] = list; len(list) == 0 {
			delete(w.problems, object)
		}
	}
	return w.check()
}

func (w *world) update(u discovery.Update) error {
	if u.Source != (discovery.SourceID{}) && len(u.Services)+len(u.Endpoints)+len(u.Workloads) > 0 {
		return fmt.Errorf("values are said in the name of %s", u.Source)
	}
	for id, v := range u.Services {
		if old := w.services[id]; v.Equal(old) && (v == nil || v.Origin == old.Origin) {
			return fmt.Errorf("service %s is no change", id)
		}
		put(w.services, id, v)
	}
	for id, v := range u.Workloads {
		if old := w.workloads[id]; v.Equal(old) && (v == nil || v.Origin == old.Origin) {
			return fmt.Errorf("workload %s is no change", id)
		}
		put(w.workloads, id, v)
	}
	for id, v := range u.Endpoints {
		if v.Equal(w.shards[id]) {
			return fmt.Errorf("%s is no change", id)
		}
		put(w.shards, id, v)
	}
	return nil
}

func put[K comparable, V any](in map[K]*V, key K, value *V) {
	if in[key] = value; value == nil {
		delete(in, key)
	}
}

// check demands what holds at all times.
func (w *world) check() error {
	instances := map[string]bool{}
	for id, set := range w.shards {
		for _, p := range set.Ports {
			for _, e := range p.Endpoints {
				instance := fmt.Sprintf("%s:%d %s %s", id.Service, p.Port, e.Network, e.Address)
				if instances[instance] {
					return fmt.Errorf("%s counts twice", instance)
				}
				instances[instance] = true
			}
		}
		if w.services[id.Service] == nil {
			return fmt.Errorf("%s belongs to no service", id)
		}
		if err := checkSet(id, set); err != nil {
			return err
		}
	}
	return nil
}

func checkSet(id discovery.ShardID, set *discovery.EndpointSet) error {
	if set.ID != id {
		return fmt.Errorf("%s holds the set %s", id, set.ID)
	}
	for i, p := range set.Ports {
		if i > 0 && set.Ports[i-1].Port >= p.Port {
			return fmt.Errorf("the ports of %s are not sorted", id)
		}
		if !slices.IsSortedFunc(p.Endpoints, func(a, b discovery.Endpoint) int { return a.Address.Compare(b.Address) }) {
			return fmt.Errorf("the endpoints of %s are not sorted", id)
		}
	}
	return nil
}

// differs says in what two worlds are not equal.
func (w *world) differs(want *world) error {
	for _, pair := range [][3]any{
		{"services", w.services, want.services},
		{"shards", w.shards, want.shards},
		{"workloads", w.workloads, want.workloads},
		{"problems", w.problems, want.problems},
	} {
		if !reflect.DeepEqual(pair[1], pair[2]) {
			return fmt.Errorf("%s differ:\n%s\nshould be:\n%s", pair[0], dump(pair[1]), dump(pair[2]))
		}
	}
	return nil
}
