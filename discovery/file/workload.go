package file

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// workload is a Workload in the form that services are resolved with. It is immutable.
type workload struct {
	model *discovery.Workload
	// ipv4 and ipv6 are the first IPv4 and the first IPv6 address as the
	// object lists them; either may be invalid, but not both.
	ipv4, ipv6 netip.Addr
	ports      map[string]uint16
	weight     uint32
}

// newWorkload takes an object that was read, checked or not.
func newWorkload(from *v1alpha1.Workload) *workload {
	w := &workload{
		model: &discovery.Workload{
			ID:             discovery.WorkloadID{Namespace: from.Namespace, Name: from.Name},
			Origin:         discovery.Origin{Kind: v1alpha1.KindWorkload},
			Labels:         from.Labels,
			ServiceAccount: cmp.Or(from.Spec.ServiceAccountName, "default"),
			Network:        string(from.Spec.Network),
			Locality: discovery.Locality{
				Region: string(from.Spec.Locality.Region), Zone: string(from.Spec.Locality.Zone), SubZone: string(from.Spec.Locality.SubZone),
			},
			Health:  health(from.Spec.Health),
			Sidecar: from.Spec.Sidecar, Proxyless: from.Spec.Proxyless,
		},
		ports:  make(map[string]uint16, len(from.Spec.Ports)),
		weight: 1,
	}
	if from.Spec.Weight != nil {
		w.weight = uint32(*from.Spec.Weight)
	}
	for _, port := range from.Spec.Ports {
		w.ports[string(port.Name)] = uint16(port.Port)
	}
	w.addAddresses(from.Spec.Addresses)
	return w
}

func (w *workload) addAddresses(addresses []v1alpha1.IPAddress) {
	for _, text := range addresses {
		addr, ok := text.Parse()
		if !ok {
			continue
		}
		w.model.Addresses = append(w.model.Addresses, addr)
		if family := w.family(addr); !family.IsValid() {
			*family = addr
		}
	}
	slices.SortFunc(w.model.Addresses, netip.Addr.Compare)
}

func (w *workload) family(addr netip.Addr) *netip.Addr {
	if addr.Is4() {
		return &w.ipv4
	}
	return &w.ipv6
}

func health(from v1alpha1.Health) discovery.Health {
	switch from {
	case v1alpha1.HealthDegraded:
		return discovery.Degraded
	case v1alpha1.HealthUnhealthy:
		return discovery.Unhealthy
	case v1alpha1.HealthDraining:
		return discovery.Draining
	}
	return discovery.Healthy
}

// equal reports whether both resolve in the same way.
func (w *workload) equal(other *workload) bool {
	if w == nil || other == nil {
		return w == other
	}
	return w.model.Equal(other.model) && w.ipv4 == other.ipv4 && w.ipv6 == other.ipv6 &&
		w.weight == other.weight && maps.Equal(w.ports, other.ports)
}

// endpoint returns how the workload serves a port: at its IPv4 address, with
// its IPv6 address as the second way there, or the other way round.
func (w *workload) endpoint(port uint16, preferIPv6 bool) discovery.Endpoint {
	first, second := w.ipv4, w.ipv6
	if !first.IsValid() || (preferIPv6 && second.IsValid()) {
		first, second = second, first
	}
	e := discovery.Endpoint{
		Address:  netip.AddrPortFrom(first, port),
		Workload: w.model.ID,
		Network:  w.model.Network,
		Locality: w.model.Locality,
		Weight:   w.weight,
		Health:   w.model.Health,
	}
	if second.IsValid() {
		e.Additional = []netip.AddrPort{netip.AddrPortFrom(second, port)}
	}
	return e
}
