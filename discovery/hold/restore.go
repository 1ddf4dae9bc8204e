package hold

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// restore returns the state that the records hold; the error names the first that makes no sense.
func (s *savedSource) restore() (State, error) {
	source := s.id()
	state := State{
		Services:   make(map[discovery.ServiceID]*discovery.Service, len(s.Services)),
		Endpoints:  make(map[discovery.ShardID]*discovery.EndpointSet, len(s.Endpoints)),
		Workloads:  make(map[discovery.WorkloadID]*discovery.Workload, len(s.Workloads)),
		Nodes:      make(map[string]*discovery.Node, len(s.Nodes)),
		Namespaces: make(map[string]*discovery.Namespace, len(s.Namespaces)),
	}
	for i := range s.Services {
		service, err := s.Services[i].restore()
		if err != nil {
			return State{}, fmt.Errorf("service %s: %w", service.ID, err)
		}
		state.Services[service.ID] = service
	}
	for i := range s.Endpoints {
		set, err := s.Endpoints[i].restore(source)
		if err != nil {
			return State{}, fmt.Errorf("endpoints %s: %w", set.ID, err)
		}
		state.Endpoints[set.ID] = set
	}
	for i := range s.Workloads {
		workload, err := s.Workloads[i].restore()
		if err != nil {
			return State{}, fmt.Errorf("workload %s: %w", workload.ID, err)
		}
		state.Workloads[workload.ID] = workload
	}
	for _, n := range s.Nodes {
		state.Nodes[n.Name] = &discovery.Node{Name: n.Name, Ready: n.Ready, Locality: discovery.Locality(value(n.Locality))}
	}
	for _, n := range s.Namespaces {
		state.Namespaces[n.Name] = &discovery.Namespace{Name: n.Name, Labels: n.Labels, Terminating: n.Terminating}
	}
	if len(state.Services) < len(s.Services) || len(state.Endpoints) < len(s.Endpoints) || len(state.Workloads) < len(s.Workloads) {
		return State{}, fmt.Errorf("source %s: an object is there twice", source)
	}
	return state, nil
}

func (s *savedService) restore() (*discovery.Service, error) {
	service := &discovery.Service{
		ID: discovery.ServiceID{Namespace: s.Namespace, Name: s.Name}, Origin: discovery.Origin(value(s.Origin)),
		Registered: s.Registered, VIPs: s.VIPs,
	}
	var err error
	if service.Distribution, err = meaning(s.Distribution, discovery.PreferSameNode); err != nil {
		return service, fmt.Errorf("distribution: %w", err)
	}
	for _, p := range s.Ports {
		protocol, err := meaning(p.Protocol, discovery.TLS)
		if err != nil {
			return service, fmt.Errorf("port %d: protocol: %w", p.Port, err)
		}
		service.Ports = append(service.Ports, discovery.ServicePort{Port: p.Port, Name: p.Name, Protocol: protocol})
	}
	if s.Join != nil {
		join := discovery.Join(*s.Join)
		service.Join = &join
	}
	if !sortedAddresses(s.VIPs) || !ascending(service.Ports, func(a, b discovery.ServicePort) int { return cmp.Compare(a.Port, b.Port) }) {
		return service, errors.New("addresses or ports are not in order")
	}
	return service, nil
}

func (s *savedShard) restore(source discovery.SourceID) (*discovery.EndpointSet, error) {
	set := &discovery.EndpointSet{ID: discovery.ShardID{Service: discovery.ServiceID{Namespace: s.Namespace, Name: s.Name}, Source: source}}
	for i := range s.Ports {
		port, err := s.Ports[i].restore()
		if err != nil {
			return set, fmt.Errorf("port %d: %w", s.Ports[i].Port, err)
		}
		set.Ports = append(set.Ports, port)
	}
	if !ascending(set.Ports, func(a, b discovery.PortEndpoints) int { return cmp.Compare(a.Port, b.Port) }) {
		return set, errors.New("ports are not in order")
	}
	return set, nil
}

func (s *savedEndpoints) restore() (discovery.PortEndpoints, error) {
	port := discovery.PortEndpoints{Port: s.Port}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		state, err := meaning(e.Health, discovery.Draining)
		if err != nil || e.Weight == 0 || !e.Address.IsValid() {
			return port, fmt.Errorf("endpoint %s: health, weight or address is bad", e.Address)
		}
		port.Endpoints = append(port.Endpoints, discovery.Endpoint{
			Address: e.Address, Additional: e.Additional, Workload: discovery.WorkloadID(value(e.Workload)), Network: e.Network,
			Locality: discovery.Locality(value(e.Locality)), Weight: e.Weight, Health: state, Zones: e.Zones, Idle: e.Idle,
		})
	}
	for _, h := range s.Hosts {
		state, err := meaning(h.Health, discovery.Draining)
		if err != nil || h.Weight == 0 || h.Name == "" {
			return port, fmt.Errorf("host %q: name, health or weight is bad", h.Name)
		}
		port.Hosts = append(port.Hosts, discovery.Host{Name: h.Name, Port: h.Port, Weight: h.Weight, Health: state, Idle: h.Idle})
	}
	if !ascending(port.Endpoints, func(a, b discovery.Endpoint) int { return a.Address.Compare(b.Address) }) ||
		!ascending(port.Hosts, compareHosts) {
		return port, errors.New("endpoints are not in order")
	}
	return port, nil
}

func (s *savedWorkload) restore() (*discovery.Workload, error) {
	workload := &discovery.Workload{
		ID: discovery.WorkloadID(s.savedID), Origin: discovery.Origin(value(s.Origin)), Addresses: s.Addresses, Labels: s.Labels,
		ServiceAccount: s.ServiceAccount, Network: s.Network, Locality: discovery.Locality(value(s.Locality)),
		Sidecar: s.Sidecar, Proxyless: s.Proxyless, UID: s.UID, Node: s.Node, HostNetwork: s.HostNetwork,
	}
	var err error
	if workload.Health, err = meaning(s.Health, discovery.Draining); err != nil {
		return workload, fmt.Errorf("health: %w", err)
	}
	if len(s.Addresses) == 0 || !sortedAddresses(s.Addresses) {
		return workload, errors.New("addresses are missing or not in order")
	}
	return workload, nil
}

func sortedAddresses(addresses []netip.Addr) bool {
	valid := !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.IsValid() })
	return valid && slices.IsSortedFunc(addresses, netip.Addr.Compare)
}

// ascending reports whether values are sorted, and none is there twice.
func ascending[T any](values []T, compare func(a, b T) int) bool {
	for i := 1; i < len(values); i++ {
		if compare(values[i-1], values[i]) >= 0 {
			return false
		}
	}
	return true
}
