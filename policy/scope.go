package policy

import (
	"slices"

	"outrigger.dev/outrigger/discovery"
)

const wildcard = "*"

// ResolveScope returns what a workload with the rule sees: everything, or every service of the namespaces
// and the single services besides. Egress listeners are always in scope. The results are sorted, without duplicates.
func ResolveScope(rule *ProxyRule) (all bool, namespaces []string, services []discovery.ServiceID) {
	if rule == nil || !rule.Explicit && !rule.Scope.Declared {
		return true, nil, nil
	}
	if rule.Scope.Declared {
		for _, id := range rule.Scope.Services {
			switch {
			case id.Namespace == wildcard:
				return true, nil, nil
			case id.Name == wildcard:
				namespaces = append(namespaces, id.Namespace)
			default:
				services = append(services, id)
			}
		}
	}
	for _, e := range rule.Egress {
		services = append(services, e.Service)
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	services = slices.DeleteFunc(services, func(id discovery.ServiceID) bool {
		_, found := slices.BinarySearch(namespaces, id.Namespace)
		return found
	})
	slices.SortFunc(services, discovery.ServiceID.Compare)
	return false, namespaces, slices.Compact(services)
}
