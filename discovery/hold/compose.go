package hold

import (
	"cmp"
	"maps"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// compose returns a shard as the registry has it (truth, nil for none), with those of before that are held in their last state.
func compose(before, truth *discovery.EndpointSet, held map[slot]holding) *discovery.EndpointSet {
	if len(held) == 0 && truth != nil {
		return truth
	}
	if truth == nil && len(held) == size(before) {
		return before
	}
	ports := map[uint16]discovery.PortEndpoints{}
	if truth != nil {
		for _, port := range truth.Ports {
			ports[port.Port] = port
		}
	}
	for _, number := range portsOf(held) {
		was := portOf(before, number)
		port := portOf(truth, number)
		port.Endpoints = holdEndpoints(was.Endpoints, port, held)
		port.Hosts = holdHosts(was.Hosts, port, held)
		ports[number] = port
	}
	composed := &discovery.EndpointSet{ID: before.ID}
	for _, number := range slices.Sorted(maps.Keys(ports)) {
		composed.Ports = append(composed.Ports, ports[number])
	}
	return composed
}

func portsOf(held map[slot]holding) []uint16 {
	var ports []uint16
	for s := range held {
		if !slices.Contains(ports, s.port) {
			ports = append(ports, s.port)
		}
	}
	return ports
}

// holdEndpoints returns those of a port with the held ones among was in their last state.
func holdEndpoints(was []discovery.Endpoint, port discovery.PortEndpoints, held map[slot]holding) []discovery.Endpoint {
	result := slices.Clone(port.Endpoints)
	for i := range was {
		if _, keep := held[slot{port: port.Port, address: was[i].Address}]; !keep {
			continue
		}
		if at, there := findEndpoint(port.Endpoints, was[i].Address); there {
			result[at] = was[i]
			continue
		}
		result = append(result, was[i])
	}
	slices.SortFunc(result, func(a, b discovery.Endpoint) int { return a.Address.Compare(b.Address) })
	return result
}

// holdHosts does the same for those that are known by name.
func holdHosts(was []discovery.Host, port discovery.PortEndpoints, held map[slot]holding) []discovery.Host {
	result := slices.Clone(port.Hosts)
	for _, host := range was {
		if _, keep := held[slot{port: port.Port, host: host.Name, hostPort: host.Port}]; !keep {
			continue
		}
		if at, there := findHost(port.Hosts, host.Name, host.Port); there {
			result[at] = host
			continue
		}
		result = append(result, host)
	}
	slices.SortFunc(result, func(a, b discovery.Host) int { return cmp.Or(compareHosts(a, b), cmp.Compare(a.Weight, b.Weight)) })
	return result
}
