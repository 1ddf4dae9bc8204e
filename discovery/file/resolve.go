package file

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// resolve builds what the mesh sees of a service: itself, its endpoints (nil
// for one that selects nothing by design), and what is wrong with it among the others.
func (r *resolver) resolve(object *Object, shard discovery.ShardID) (*discovery.Service, *discovery.EndpointSet, []conflict) {
	s := object.service
	model := &discovery.Service{
		ID:     s.id,
		Origin: discovery.Origin{Kind: kindService, Location: object.Location()},
		Ports:  s.ports,
	}
	var conflicts []conflict
	for _, vip := range s.vips {
		if owner := r.owner(vip); owner != s.id {
			conflicts = append(conflicts, r.lostVIP(object, vip, owner))
			continue
		}
		model.VIPs = append(model.VIPs, vip)
	}
	if len(s.selector) == 0 {
		return model, nil, conflicts
	}
	workloads := r.selected(s)
	if len(workloads) == 0 {
		conflicts = append(conflicts, selectsNothing(s))
	}
	set := &discovery.EndpointSet{ID: shard}
	for i, port := range s.ports {
		endpoints, wrong := s.endpoints(s.targets[i], workloads)
		conflicts = appendNew(conflicts, wrong)
		if len(endpoints) > 0 {
			set.Ports = append(set.Ports, discovery.PortEndpoints{Port: port.Port, Endpoints: endpoints})
		}
	}
	return model, set, conflicts
}

// appendNew adds what is not listed, ports often have the same flaws; and no more than will be shown.
func appendNew(conflicts, more []conflict) []conflict {
	for _, c := range more {
		if len(conflicts) <= maxProblems && !slices.Contains(conflicts, c) {
			conflicts = append(conflicts, c)
		}
	}
	return conflicts
}

// endpoints returns how the workloads serve a port, and which of them do not.
func (s *service) endpoints(behind target, workloads []*machine.Machine) ([]discovery.Endpoint, []conflict) {
	endpoints := make([]discovery.Endpoint, 0, len(workloads))
	owners := make(map[netip.AddrPort]discovery.WorkloadID, len(workloads))
	var conflicts []conflict
	var without []string
	for _, w := range workloads {
		number := behind.number
		if behind.name != "" {
			if number = w.Port(behind.name); number == 0 {
				without = append(without, w.Model.ID.String())
				continue
			}
		}
		endpoint := w.Endpoint(number, s.preferIPv6())
		if owner, taken := owners[endpoint.Address]; taken {
			conflicts = append(conflicts, sameAddress(endpoint.Address.Addr(), w.Model.ID, owner))
			continue
		}
		owners[endpoint.Address] = w.Model.ID
		endpoints = append(endpoints, endpoint)
	}
	if len(without) > 0 {
		conflicts = append(conflicts, withoutPort(behind.name, without))
	}
	slices.SortFunc(endpoints, func(a, b discovery.Endpoint) int { return a.Address.Compare(b.Address) })
	return endpoints, conflicts
}

// lostVIP names both services that ask for an address.
func (r *resolver) lostVIP(object *Object, vip netip.Addr, owner discovery.ServiceID) conflict {
	return conflict{
		field: object.service.vipField, reason: "Duplicate",
		message: fmt.Sprintf("%s belongs to Service %s (%s), which goes before Service %s because its name sorts first; "+
			"the service is used without it: give one of the two another address", vip, owner, r.services[owner].File, object.service.id),
	}
}

func selectsNothing(s *service) conflict {
	labels := make([]string, 0, len(s.selector))
	for _, want := range s.selector {
		labels = append(labels, want.key+"="+want.value)
	}
	return conflict{
		field: "spec.selector", reason: "NoWorkload", warning: true,
		message: fmt.Sprintf("no Workload of namespace %s has the labels %s: the service is empty",
			s.id.Namespace, strings.Join(labels, ",")),
	}
}

func sameAddress(address netip.Addr, loser, owner discovery.WorkloadID) conflict {
	return conflict{
		field: "spec.selector", reason: "Duplicate", warning: true,
		message: fmt.Sprintf("Workload %s has the address %s of Workload %s and is left out: give one of the two another address",
			loser, address, owner),
	}
}

func withoutPort(name string, workloads []string) conflict {
	return conflict{
		field: "spec.ports", reason: "NoPort", warning: true,
		message: fmt.Sprintf("%d of the selected workloads, such as Workload %s, have no port named %s and get no traffic for it: "+
			"name the port in their spec.ports", len(workloads), workloads[0], name),
	}
}
