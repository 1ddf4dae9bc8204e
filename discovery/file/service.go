package file

import (
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// service is a Service in the form that endpoints are resolved with. It is immutable.
type service struct {
	id discovery.ServiceID
	// vips are what the object asks for, sorted.
	vips []netip.Addr
	// vipField is the field that they stand in.
	vipField string
	// ports are sorted by number, and targets[i] is behind ports[i].
	ports   []discovery.ServicePort
	targets []target
	// selector is sorted by key; a service without one has no endpoints from here.
	selector []label
}

type label struct{ key, value string }

// target is the port of the workloads: a number, or a name that each of them knows.
type target struct {
	number uint16
	name   string
}

// equal reports whether both are the same to their clients and select the same.
func (s *service) equal(other *service) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.id == other.id && slices.Equal(s.vips, other.vips) && slices.Equal(s.ports, other.ports) &&
		slices.Equal(s.targets, other.targets) && slices.Equal(s.selector, other.selector)
}

// selects reports whether the labels are those that the service asks for.
func (s *service) selects(labels map[string]string) bool {
	for _, want := range s.selector {
		if value, ok := labels[want.key]; !ok || value != want.value {
			return false
		}
	}
	return len(s.selector) > 0
}

// preferIPv6 reports whether the service has IPv6 addresses only.
func (s *service) preferIPv6() bool {
	return len(s.vips) > 0 && !slices.ContainsFunc(s.vips, netip.Addr.Is4)
}
