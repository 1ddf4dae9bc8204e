// Package machine turns a Workload of outrigger.dev, an instance that no
// cluster runs, into the model and into endpoints, whichever source read it.
//
// It imports discovery and api. It is pure, and it never judges: whether an
// object may be used is Validate's to say, and its source's.
package machine

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// Machine is a Workload in the form that services are resolved with. It is immutable once its source has completed it.
type Machine struct {
	// Model is what the mesh sees. Its UID and the location of its origin are empty: its source knows them.
	Model *discovery.Workload
	// ipv4 and ipv6 are the first address of each family as the object lists them; either may be invalid.
	ipv4, ipv6 netip.Addr
	ports      map[string]uint16
	weight     uint32
}

// New takes an object that was read, checked or not. What it returns shares strings and labels with it.
func New(from *v1alpha1.Workload) *Machine {
	m := &Machine{
		Model: &discovery.Workload{
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
		m.weight = uint32(*from.Spec.Weight)
	}
	for _, port := range from.Spec.Ports {
		m.ports[string(port.Name)] = uint16(port.Port)
	}
	m.addAddresses(from.Spec.Addresses)
	return m
}

func (m *Machine) addAddresses(addresses []v1alpha1.IPAddress) {
	for _, text := range addresses {
		addr, ok := text.Parse()
		if !ok {
			continue
		}
		m.Model.Addresses = append(m.Model.Addresses, addr)
		if first := m.family(addr); !first.IsValid() {
			*first = addr
		}
	}
	slices.SortFunc(m.Model.Addresses, netip.Addr.Compare)
}

func (m *Machine) family(addr netip.Addr) *netip.Addr {
	if addr.Is4() {
		return &m.ipv4
	}
	return &m.ipv6
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

// Equal reports whether both are resolved in the same way; either may be nil.
func (m *Machine) Equal(other *Machine) bool {
	if m == nil || other == nil {
		return m == other
	}
	return m.Model.Equal(other.Model) && m.ipv4 == other.ipv4 && m.ipv6 == other.ipv6 &&
		m.weight == other.weight && maps.Equal(m.ports, other.ports)
}

// Port returns the number of the port of that name; 0 for none.
func (m *Machine) Port(name string) uint16 { return m.ports[name] }

// Endpoint returns how the machine serves a port: at its first address of the
// preferred family, and at that of the other one as the second way there.
func (m *Machine) Endpoint(port uint16, preferIPv6 bool) discovery.Endpoint {
	first, second := m.ipv4, m.ipv6
	if !first.IsValid() || (preferIPv6 && second.IsValid()) {
		first, second = second, first
	}
	e := discovery.Endpoint{
		Address: netip.AddrPortFrom(first, port), Workload: m.Model.ID, Network: m.Model.Network,
		Locality: m.Model.Locality, Weight: m.weight, Health: m.Model.Health,
	}
	if second.IsValid() {
		e.Additional = []netip.AddrPort{netip.AddrPortFrom(second, port)}
	}
	return e
}
