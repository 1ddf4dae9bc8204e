package compile

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
)

func proxyRule(id discovery.ObjectID, object *v1alpha1.ProxyConfig) (*policy.ProxyRule, group, field.ErrorList) {
	if errs := object.Validate(); len(errs) > 0 {
		return nil, group{}, errs
	}
	egress, ingress := object.Spec.Egress, object.Spec.Ingress
	rule := &policy.ProxyRule{
		Object:   id,
		Selector: selector(id, object.Spec.Selector),
		Explicit: len(egress.Listeners)+len(ingress.Listeners) > 0,
		Egress:   egressListeners(id.Namespace, egress.Listeners),
		Ingress:  ingressListeners(ingress.Listeners),
		Scope:    scope(id.Namespace, egress.Services),
	}
	return rule, groupOf(id.Kind, rule.Selector), nil
}

// egressListeners returns the listeners in the order of their addresses, so that the order in the object decides nothing.
func egressListeners(namespace string, from []v1alpha1.EgressListener) []policy.EgressListener {
	var listeners []policy.EgressListener
	for i := range from {
		bind, _ := from[i].Bind()
		ref := from[i].Service
		listeners = append(listeners, policy.EgressListener{
			Index:   i,
			Address: bind,
			Service: discovery.ServiceID{Namespace: cmp.Or(string(ref.Namespace), namespace), Name: string(ref.Name)},
			Port:    uint16(ref.Port),
		})
	}
	slices.SortFunc(listeners, func(a, b policy.EgressListener) int { return a.Address.Compare(b.Address) })
	return listeners
}

// ingressListeners returns the listeners in the order of their ports and addresses.
func ingressListeners(from []v1alpha1.IngressListener) []policy.IngressListener {
	var listeners []policy.IngressListener
	for i := range from {
		address, _ := from[i].Address.Parse()
		target, _ := from[i].Target()
		protocol, declared := protocol(from[i].AppProtocol)
		listeners = append(listeners, policy.IngressListener{
			Index: i, Address: address, Port: uint16(from[i].Port), Target: target, Protocol: protocol, Declared: declared,
		})
	}
	slices.SortFunc(listeners, func(a, b policy.IngressListener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), a.Address.Compare(b.Address))
	})
	return listeners
}

// protocol returns the protocol and whether the object declares one.
func protocol(declared v1alpha1.AppProtocol) (discovery.Protocol, bool) {
	switch declared {
	case v1alpha1.AppProtocolHTTP:
		return discovery.HTTP, true
	case v1alpha1.AppProtocolHTTP2:
		return discovery.HTTP2, true
	case v1alpha1.AppProtocolGRPC:
		return discovery.GRPC, true
	case v1alpha1.AppProtocolTCP:
		return discovery.TCP, true
	case v1alpha1.AppProtocolTLS:
		return discovery.TLS, true
	}
	return discovery.Detect, declared == v1alpha1.AppProtocolDetect
}

func scope(namespace string, from []v1alpha1.ScopedService) policy.Scope {
	if len(from) == 0 {
		return policy.Scope{}
	}
	services := make([]discovery.ServiceID, 0, len(from))
	for _, service := range from {
		services = append(services, discovery.ServiceID{
			Namespace: cmp.Or(string(service.Namespace), namespace),
			Name:      string(service.Name),
		})
	}
	slices.SortFunc(services, discovery.ServiceID.Compare)
	return policy.Scope{Declared: true, Services: slices.Compact(services)}
}
