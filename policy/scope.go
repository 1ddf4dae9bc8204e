package policy

import (
	"fmt"
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

// NamedServices returns the services that the rule, which may be nil, names one by one: as egress or in its scope.
// A service may be there more than once.
func NamedServices(rule *ProxyRule) []discovery.ServiceID {
	if rule == nil {
		return nil
	}
	services := scopedServices(rule)
	for _, e := range rule.Egress {
		services = append(services, e.Service)
	}
	return services
}

// CheckScope warns of single services of the declared scope that are not there.
func CheckScope(rule *ProxyRule, lookup func(discovery.ServiceID) *discovery.Service) []discovery.Problem {
	if rule == nil {
		return nil
	}
	var problems []discovery.Problem
	for _, id := range scopedServices(rule) {
		if lookup(id) == nil {
			problems = append(problems, discovery.Problem{
				Object: rule.Object, Field: "spec.egress.services", Reason: "NotFound", Warning: true,
				Message: fmt.Sprintf("service %s does not exist: until it does, its name stands for nothing", id),
			})
		}
	}
	return problems
}

// scopedServices are the services of the declared scope without the wildcards.
func scopedServices(rule *ProxyRule) []discovery.ServiceID {
	var services []discovery.ServiceID
	for _, id := range rule.Scope.Services {
		if id.Namespace != wildcard && id.Name != wildcard {
			services = append(services, id)
		}
	}
	return services
}
