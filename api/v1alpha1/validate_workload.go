package v1alpha1

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate returns what is wrong with the object, by field; none when it can be used.
func (w *Workload) Validate() field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateNamespaced(&w.ObjectMeta)
	errs = append(errs, validateAddresses(spec.Child("addresses"), w.Spec.Addresses)...)
	if account := w.Spec.ServiceAccountName; account != "" {
		errs = append(errs, invalid(spec.Child("serviceAccountName"), account, validation.IsDNS1123Subdomain(account))...)
	}
	if w.Spec.Sidecar && w.Spec.Proxyless {
		errs = append(errs, field.Invalid(spec.Child("proxyless"), true,
			"sidecar and proxyless exclude each other: an instance has a proxy before it or none"))
	}
	errs = append(errs, validatePorts(spec.Child("ports"), w.Spec.Ports)...)
	errs = append(errs, validateLocality(spec.Child("locality"), &w.Spec.Locality)...)
	errs = append(errs, validateLabelValue(spec.Child("network"), w.Spec.Network)...)
	if weight := w.Spec.Weight; weight != nil && (*weight < 1 || *weight > maxWeight) {
		errs = append(errs, field.Invalid(spec.Child("weight"), *weight, "must be 1 to 1000; health says who gets no traffic"))
	}
	return append(errs, validateOneOf(spec.Child("health"), w.Spec.Health,
		HealthHealthy, HealthDegraded, HealthUnhealthy, HealthDraining)...)
}

func validateAddresses(at *field.Path, addresses []IPAddress) field.ErrorList {
	if len(addresses) == 0 {
		return field.ErrorList{field.Required(at, "a workload needs one address at least, such as [10.0.0.7]")}
	}
	errs := validateLength(at, len(addresses), maxAddresses)
	seen := make(map[netip.Addr]*field.Path, len(addresses))
	for i, text := range addresses {
		at := at.Index(i)
		errs = append(errs, validateAddress(at, text)...)
		addr, ok := text.Parse()
		if first := seen[addr]; ok && first != nil {
			errs = append(errs, duplicate(at, string(text), first))
			continue
		}
		seen[addr] = at
	}
	return errs
}

func validatePorts(at *field.Path, ports []WorkloadPort) field.ErrorList {
	errs := validateLength(at, len(ports), maxPorts)
	seen := make(map[PortName]*field.Path, len(ports))
	for i, port := range ports {
		at := at.Index(i)
		errs = append(errs, validatePortName(at.Child("name"), port.Name)...)
		errs = append(errs, validatePort(at.Child("port"), port.Port)...)
		if first := seen[port.Name]; first != nil {
			errs = append(errs, duplicate(at.Child("name"), string(port.Name), first))
			continue
		}
		seen[port.Name] = at
	}
	return errs
}

func validatePortName(at *field.Path, name PortName) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "name the port")}
	}
	return invalid(at, string(name), validation.IsValidPortName(string(name)))
}

func validateLocality(at *field.Path, locality *Locality) field.ErrorList {
	errs := validateLabelValue(at.Child("region"), locality.Region)
	errs = append(errs, validateLabelValue(at.Child("zone"), locality.Zone)...)
	return append(errs, validateLabelValue(at.Child("subZone"), locality.SubZone)...)
}
