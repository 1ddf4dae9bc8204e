package v1alpha1

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate returns what is wrong with the object, by field; none when it can be used.
func (m *MeshConfig) Validate() field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateMeta(&m.ObjectMeta)
	if m.Name != "" && m.Name != MeshConfigName {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), m.Name,
			"a mesh has one MeshConfig, and its name is default"))
	}
	if m.Namespace != "" {
		errs = append(errs, field.Forbidden(field.NewPath("metadata", "namespace"),
			"a MeshConfig is for the whole mesh: remove the namespace"))
	}
	errs = append(errs, validateTrustDomain(spec.Child("trustDomain"), m.Spec.TrustDomain)...)
	errs = append(errs, validateMode(spec.Child("mtls", "defaultMode"), m.Spec.MTLS.DefaultMode)...)
	errs = append(errs, validateOneOf(spec.Child("outbound", "unknownDestinations"),
		m.Spec.Outbound.UnknownDestinations, UnknownAllow, UnknownDeny)...)
	errs = append(errs, validateConsul(spec.Child("consul"), m.Spec.Consul)...)
	return append(errs, validateJoins(spec.Child("joins"), m.Spec.Joins)...)
}

// trustDomainRunes are what the SPIFFE standard lets a trust domain be made of.
const trustDomainRunes = "abcdefghijklmnopqrstuvwxyz0123456789._-"

func validateTrustDomain(at *field.Path, name string) field.ErrorList {
	if len(name) > maxTrustDomain {
		return field.ErrorList{field.TooLong(at, name, maxTrustDomain)}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(trustDomainRunes, r) }) {
		return field.ErrorList{field.Invalid(at, name, "must be of lower-case letters, digits, dots, hyphens and underscores")}
	}
	return nil
}

// Validate returns what is wrong with the object, by field; none when it can be used.
func (p *AuthenticationPolicy) Validate() field.ErrorList {
	spec := field.NewPath("spec")
	errs := validateNamespaced(&p.ObjectMeta)
	errs = append(errs, validateSelector(spec.Child("selector"), &p.Spec.Selector)...)
	errs = append(errs, validateRequiredMode(spec.Child("peer", "mode"), p.Spec.Peer.Mode)...)
	at := spec.Child("peer", "ports")
	errs = append(errs, validateLength(at, len(p.Spec.Peer.Ports), maxPorts)...)
	seen := make(map[PortNumber]*field.Path, len(p.Spec.Peer.Ports))
	for i, port := range p.Spec.Peer.Ports {
		at := at.Index(i)
		errs = append(errs, validatePort(at.Child("port"), port.Port)...)
		errs = append(errs, validateRequiredMode(at.Child("mode"), port.Mode)...)
		if first := seen[port.Port]; first != nil {
			errs = append(errs, duplicate(at.Child("port"), port.Port, first))
			continue
		}
		seen[port.Port] = at
	}
	return errs
}
