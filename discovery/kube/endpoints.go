package kube

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// facts are everything that the endpoints of one service follow from.
type facts struct {
	service *service
	shard   discovery.ShardID
	// slices are those that name the service, sorted by name.
	slices []*slice
	// machines are those that the service selects, sorted by name.
	machines []*machine.Machine
	nodes    map[key]*discovery.Node
	// pods are those that were read; nil: endpoints need not wait for theirs.
	pods map[key]*pod
	// before is what was built last; it may be nil.
	before *discovery.EndpointSet
	// pauses are those that go on.
	pauses pauses
	now    time.Time
}

// result is what a service's facts make.
type result struct {
	// set is nil for a service that has no endpoints by design.
	set *discovery.EndpointSet
	// problems are those of the service, sliceProblems those of each slice by its index, its own included.
	problems      []discovery.Problem
	sliceProblems [][]discovery.Problem
	// next are the pauses that go on or begin.
	next pauses
}

// build is one computation of a result.
type build struct {
	facts
	result
	// matched says which ports of each slice serve a port of the service.
	matched [][]bool
}

// endpoints builds the shard of a service. It is pure: equal facts give equal results.
func endpoints(f facts) result {
	b := &build{facts: f, matched: make([][]bool, len(f.slices))}
	for i, s := range f.slices {
		b.matched[i] = make([]bool, len(s.ports))
	}
	b.problems = slices.Clone(f.service.problems)
	if f.service.externalName != "" || len(f.service.selector) > 0 || len(f.slices) > 0 {
		b.set = &discovery.EndpointSet{ID: f.shard}
		for i := range f.service.model.Ports {
			b.port(i)
		}
	}
	b.unmatched()
	return b.result
}

// port builds what is behind one port of the service.
func (b *build) port(i int) {
	port := b.service.model.Ports[i]
	out := discovery.PortEndpoints{Port: port.Port}
	if name := b.service.externalName; name != "" {
		out.Hosts = []discovery.Host{{Name: name, Port: cmp.Or(b.service.targets[i].number, port.Port), Weight: 1}}
		b.set.Ports = append(b.set.Ports, out)
		return
	}
	found := b.found(port.Name)
	unknown := len(found) == 0
	out.Hosts = hosts(found)
	out.Endpoints = b.addMachines(i, b.addresses(port.Port, found))
	if name := b.service.targets[i].name; name != "" && unknown && len(out.Endpoints) == 0 && slices.ContainsFunc(b.slices, (*slice).hasPods) {
		b.problem("spec.ports", "NoPort", fmt.Sprintf("no pod has a port named %s, which port %d leads to: name the port in the containers' ports",
			name, port.Port))
	}
	if len(out.Endpoints)+len(out.Hosts) > 0 {
		b.set.Ports = append(b.set.Ports, out)
	}
}

// addMachines adds the machines that the service selects to the endpoints of its i-th port.
func (b *build) addMachines(i int, endpoints []discovery.Endpoint) []discovery.Endpoint {
	if len(b.machines) == 0 {
		return endpoints
	}
	taken := make(map[netip.AddrPort]bool, len(endpoints))
	for _, e := range endpoints {
		taken[e.Address] = true
	}
	var without []string
	for _, m := range b.machines {
		number := b.service.targets[i].number
		if name := b.service.targets[i].name; name != "" {
			if number = m.Port(name); number == 0 {
				without = append(without, m.Model.ID.String())
				continue
			}
		}
		endpoint := m.Endpoint(number, b.service.preferIPv6)
		if taken[endpoint.Address] {
			b.problem("spec.selector", "Duplicate", fmt.Sprintf("Workload %s has the address %s of another endpoint and is left out: "+
				"give one of the two another address", m.Model.ID, endpoint.Address.Addr()))
			continue
		}
		taken[endpoint.Address] = true
		endpoints = append(endpoints, endpoint)
	}
	if len(without) > 0 {
		b.problem("spec.ports", "NoPort", fmt.Sprintf("%d of the selected Workloads, such as %s, have no port named %s and get no traffic for it: "+
			"name the port in their spec.ports", len(without), without[0], b.service.targets[i].name))
	}
	slices.SortFunc(endpoints, func(a, b discovery.Endpoint) int { return a.Address.Compare(b.Address) })
	return endpoints
}

func (b *build) problem(field, reason, message string) {
	problem := discovery.Problem{Object: serviceObject(b.service.model.ID), Field: field, Reason: reason, Message: message, Warning: true}
	if len(b.problems) < maxProblems && !slices.Contains(b.problems, problem) {
		b.problems = append(b.problems, problem)
	}
}

// unmatched lists the ports of slices that no port of the service names. The
// cluster's own controller follows the Service a moment later, which is no fault.
func (b *build) unmatched() {
	b.sliceProblems = make([][]discovery.Problem, len(b.slices))
	for i, s := range b.slices {
		b.sliceProblems[i] = s.problems
		for j, port := range s.ports {
			if b.matched[i][j] || s.managed || len(b.sliceProblems[i]) >= maxProblems {
				continue
			}
			b.sliceProblems[i] = append(slices.Clip(b.sliceProblems[i]), discovery.Problem{
				Object: s.key.object(kindSlice), Field: fmt.Sprintf("ports[%d].name", port.index), Reason: "NoPort", Warning: true,
				Message: fmt.Sprintf("Service %s has no TCP port named %q, the endpoints behind it are not used: name the port as the Service does",
					b.service.model.ID, shorten(port.name)),
			})
		}
	}
}
