package sourcetest

import (
	"cmp"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// checkValues checks what the model promises of values: keys, order, ranges.
func (r *reader) checkValues(update discovery.Update) {
	r.t.Helper()
	for id, service := range update.Services {
		if service != nil {
			r.checkService(id, service)
		}
	}
	for id, set := range update.Endpoints {
		if set != nil {
			r.checkEndpoints(id, set)
		}
	}
	for id, workload := range update.Workloads {
		if workload == nil {
			continue
		}
		if workload.ID != id || len(workload.Addresses) == 0 || !slices.IsSortedFunc(workload.Addresses, netip.Addr.Compare) {
			r.t.Errorf("workload %s: bad key, or no or unsorted addresses: %+v", id, *workload)
		}
	}
}

// checkPlaces checks the keys of machines and namespaces.
func (r *reader) checkPlaces(update discovery.Update) {
	r.t.Helper()
	for name, node := range update.Nodes {
		if node != nil && node.Name != name {
			r.t.Errorf("node %s: bad key: %+v", name, *node)
		}
	}
	for name, namespace := range update.Namespaces {
		if namespace != nil && namespace.Name != name {
			r.t.Errorf("namespace %s: bad key: %+v", name, *namespace)
		}
	}
}

func (r *reader) checkService(id discovery.ServiceID, service *discovery.Service) {
	r.t.Helper()
	ascending := slices.IsSortedFunc(service.Ports, func(a, b discovery.ServicePort) int { return cmp.Compare(a.Port, b.Port) })
	if service.ID != id || !ascending || !slices.IsSortedFunc(service.VIPs, netip.Addr.Compare) {
		r.t.Errorf("service %s: bad key, or unsorted ports or addresses: %+v", id, *service)
	}
}

func (r *reader) checkEndpoints(id discovery.ShardID, set *discovery.EndpointSet) {
	r.t.Helper()
	if set.ID != id || id.Source != r.source {
		r.t.Errorf("endpoints %s: bad key: %+v", id, set.ID)
	}
	for i, port := range set.Ports {
		if i > 0 && port.Port <= set.Ports[i-1].Port {
			r.t.Errorf("endpoints %s: unsorted ports", id)
		}
		for j, endpoint := range port.Endpoints {
			if j > 0 && endpoint.Address.Compare(port.Endpoints[j-1].Address) <= 0 {
				r.t.Errorf("endpoints %s: unsorted or equal addresses", id)
			}
			if endpoint.Weight == 0 || !endpoint.Address.IsValid() || endpoint.Address.Port() == 0 {
				r.t.Errorf("endpoints %s: bad endpoint %+v", id, endpoint)
			}
		}
	}
}
