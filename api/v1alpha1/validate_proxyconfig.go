package v1alpha1

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate returns what is wrong with the object, by field; none when it can be used.
func (p *ProxyConfig) Validate() field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateNamespaced(&p.ObjectMeta)
	errs = append(errs, validateSelector(spec.Child("selector"), &p.Spec.Selector)...)
	errs = append(errs, validateScope(spec.Child("egress", "services"), p.Spec.Egress.Services)...)
	errs = append(errs, validateEgress(spec.Child("egress", "listeners"), p.Spec.Egress.Listeners)...)
	errs = append(errs, validateIngress(spec.Child("ingress", "listeners"), p.Spec.Ingress.Listeners)...)
	return append(errs, p.Spec.validateBinds()...)
}

func validateScope(at *field.Path, services []ScopedService) field.ErrorList {
	errs := validateNotEmpty(at, services)
	errs = append(errs, validateLength(at, len(services), maxEgress)...)
	for i, service := range services {
		at := at.Index(i)
		if service.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), "name the service, or * for all"))
		}
		errs = append(errs, validateNameOrAll(at.Child("name"), service.Name)...)
		errs = append(errs, validateNameOrAll(at.Child("namespace"), service.Namespace)...)
		if service.Namespace == "*" && service.Name != "*" {
			errs = append(errs, field.Invalid(at.Child("name"), string(service.Name), "with namespace * the name must be * too"))
		}
	}
	return errs
}

// validateNotEmpty refuses a list that is written and holds nothing: it could mean everything or nothing.
func validateNotEmpty[T any](at *field.Path, list []T) field.ErrorList {
	if list == nil || len(list) > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, "[]", "must not be empty: remove the field")}
}

func validateNameOrAll(at *field.Path, name NameOrAll) field.ErrorList {
	if name == "" || name == "*" {
		return nil
	}
	return invalid(at, string(name), validation.IsDNS1123Label(string(name)))
}

func validateEgress(at *field.Path, listeners []EgressListener) field.ErrorList {
	errs := validateNotEmpty(at, listeners)
	errs = append(errs, validateLength(at, len(listeners), maxEgress)...)
	seen := make(map[netip.AddrPort]*field.Path, len(listeners))
	for i := range listeners {
		at, listener := at.Index(i), &listeners[i]
		errs = append(errs, validateOptionalAddress(at.Child("address"), listener.Address)...)
		errs = append(errs, validatePort(at.Child("port"), listener.Port)...)
		errs = append(errs, validateServiceRef(at.Child("service"), &listener.Service)...)
		bind, ok := listener.Bind()
		if first := seen[bind]; ok && first != nil {
			errs = append(errs, duplicate(at, bind.String(), first))
			continue
		}
		seen[bind] = at
	}
	return errs
}

func validateServiceRef(at *field.Path, ref *ServicePortRef) field.ErrorList {
	errs := validateName(at.Child("name"), ref.Name)
	if ref.Namespace != "" {
		errs = append(errs, validateName(at.Child("namespace"), ref.Namespace)...)
	}
	return append(errs, validatePort(at.Child("port"), ref.Port)...)
}

func validateIngress(at *field.Path, listeners []IngressListener) field.ErrorList {
	errs := validateNotEmpty(at, listeners)
	errs = append(errs, validateLength(at, len(listeners), maxIngress)...)
	for i := range listeners {
		errs = append(errs, listeners[i].validate(at.Index(i))...)
		for j := range i {
			if listeners[i].overlaps(&listeners[j]) {
				errs = append(errs, duplicate(at.Index(i), listeners[i].Port, at.Index(j)))
			}
		}
	}
	return errs
}

func (l *IngressListener) validate(at *field.Path) field.ErrorList {
	errs := validateOptionalAddress(at.Child("address"), l.Address)
	errs = append(errs, validatePort(at.Child("port"), l.Port)...)
	if l.TargetPort != 0 {
		errs = append(errs, validatePort(at.Child("targetPort"), l.TargetPort)...)
	}
	errs = append(errs, validateOptionalAddress(at.Child("targetAddress"), l.TargetAddress)...)
	errs = append(errs, validateOneOf(at.Child("appProtocol"), l.AppProtocol, AppProtocolHTTP,
		AppProtocolHTTP2, AppProtocolGRPC, AppProtocolTCP, AppProtocolTLS, AppProtocolDetect)...)
	target, ok := l.Target()
	if address, bound := l.Address.Parse(); ok && bound && target == netip.AddrPortFrom(address, uint16(l.Port)) {
		errs = append(errs, field.Invalid(at, target.String(),
			"the target must differ from the listener: the proxy would call itself"))
	}
	return errs
}

// overlaps reports whether both would bind the same; a listener without an address has all of the workload's.
func (l *IngressListener) overlaps(other *IngressListener) bool {
	if l.Port != other.Port {
		return false
	}
	a, aBound := l.Address.Parse()
	b, bBound := other.Address.Parse()
	return !aBound || !bBound || a == b
}

// validateBinds finds egress listeners where an ingress listener, or its application, has to bind.
func (s *ProxyConfigSpec) validateBinds() field.ErrorList {
	taken := make(map[netip.AddrPort]*field.Path)
	at := field.NewPath("spec", "ingress", "listeners")
	for i := range s.Ingress.Listeners {
		listener := &s.Ingress.Listeners[i]
		if address, ok := listener.Address.Parse(); ok {
			taken[netip.AddrPortFrom(address, uint16(listener.Port))] = at.Index(i)
		}
		if target, ok := listener.Target(); ok {
			taken[target] = at.Index(i).Child("targetPort")
		}
	}
	var errs field.ErrorList
	for i := range s.Egress.Listeners {
		bind, ok := s.Egress.Listeners[i].Bind()
		if other := taken[bind]; ok && other != nil {
			err := field.Duplicate(field.NewPath("spec", "egress", "listeners").Index(i), bind.String())
			err.Detail = "is bound by " + other.String() + ": only one of them can bind there"
			errs = append(errs, err)
		}
	}
	return errs
}
