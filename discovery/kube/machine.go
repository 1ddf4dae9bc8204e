package kube

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// machine is a Workload of outrigger.dev: an instance outside the cluster that
// Services select as they select pods. It is immutable.
type machine struct {
	// workload is what the mesh sees; nil for an object that cannot be used.
	workload *discovery.Workload
	// ipv4 and ipv6 are the first address of each family as the object lists them; either may be invalid.
	ipv4, ipv6 netip.Addr
	ports      map[string]uint16
	weight     uint32
	problems   []discovery.Problem
}

func (m *machine) equal(other *machine) bool {
	return m.workload.Equal(other.workload) && m.ipv4 == other.ipv4 && m.ipv6 == other.ipv6 && m.weight == other.weight &&
		maps.Equal(m.ports, other.ports) && slices.Equal(m.problems, other.problems)
}

func (m *machine) loses(next *machine) bool {
	if m.workload == nil {
		return false
	}
	return next == nil || next.workload == nil || next.workload.Health > m.workload.Health
}

// readMachine turns a Workload into the form of the mesh.
func readMachine(in *interner, from *v1alpha1.Workload) *machine {
	m := &machine{problems: machineProblems(from)}
	if len(m.problems) > 0 {
		return m
	}
	m.workload = &discovery.Workload{
		ID:             discovery.WorkloadID{Namespace: in.string(from.Namespace), Name: strings.Clone(from.Name)},
		Origin:         discovery.Origin{Kind: kindWorkload, Location: strings.Clone(from.ResourceVersion)},
		Labels:         in.labelsOf(from.Labels),
		ServiceAccount: in.string(cmp.Or(from.Spec.ServiceAccountName, "default")),
		Network:        in.string(string(from.Spec.Network)),
		Locality: discovery.Locality{
			Region: in.string(string(from.Spec.Locality.Region)), Zone: in.string(string(from.Spec.Locality.Zone)),
			SubZone: in.string(string(from.Spec.Locality.SubZone)),
		},
		Health:  machineHealth(from.Spec.Health),
		Sidecar: from.Spec.Sidecar, Proxyless: from.Spec.Proxyless,
		UID: strings.Clone(string(from.UID)),
	}
	m.weight = 1
	if from.Spec.Weight != nil {
		m.weight = uint32(*from.Spec.Weight)
	}
	m.ports = make(map[string]uint16, len(from.Spec.Ports))
	for _, port := range from.Spec.Ports {
		m.ports[string(port.Name)] = uint16(port.Port)
	}
	m.addAddresses(from.Spec.Addresses)
	return m
}

func machineProblems(from *v1alpha1.Workload) []discovery.Problem {
	errs := from.Validate()
	problems := make([]discovery.Problem, 0, len(errs))
	for _, err := range errs {
		problems = append(problems, discovery.Problem{
			Object: discovery.ObjectID{Kind: kindWorkload, Namespace: from.Namespace, Name: from.Name},
			Field:  err.Field, Reason: "Invalid", Message: err.ErrorBody(),
		})
	}
	return problems
}

func (m *machine) addAddresses(addresses []v1alpha1.IPAddress) {
	for _, text := range addresses {
		addr, ok := text.Parse()
		if !ok {
			continue
		}
		m.workload.Addresses = append(m.workload.Addresses, addr)
		if first := m.family(addr); !first.IsValid() {
			*first = addr
		}
	}
	slices.SortFunc(m.workload.Addresses, netip.Addr.Compare)
}

func (m *machine) family(addr netip.Addr) *netip.Addr {
	if addr.Is4() {
		return &m.ipv4
	}
	return &m.ipv6
}

func machineHealth(from v1alpha1.Health) discovery.Health {
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

// endpoint returns how the machine serves a port: at its first address of the
// preferred family, and at that of the other one as the second way there.
func (m *machine) endpoint(port uint16, preferIPv6 bool) discovery.Endpoint {
	first, second := m.ipv4, m.ipv6
	if !first.IsValid() || (preferIPv6 && second.IsValid()) {
		first, second = second, first
	}
	e := discovery.Endpoint{
		Address: netip.AddrPortFrom(first, port), Workload: m.workload.ID, Network: m.workload.Network,
		Locality: m.workload.Locality, Weight: m.weight, Health: m.workload.Health,
	}
	if second.IsValid() {
		e.Additional = []netip.AddrPort{netip.AddrPortFrom(second, port)}
	}
	return e
}
