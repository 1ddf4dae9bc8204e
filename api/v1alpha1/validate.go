package v1alpha1

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The limits of the lists and values that have one; the markers beside the types say the same.
const (
	maxAddresses   = 8
	maxPorts       = 64
	maxEgress      = 256
	maxIngress     = 64
	maxMatchLabels = 16
	maxWeight      = 1000
	maxTrustDomain = 255
)

// Parse returns the address; false says that the text is none that the field may hold.
func (a IPAddress) Parse() (netip.Addr, bool) {
	addr, err := netip.ParseAddr(string(a))
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return netip.Addr{}, false
	}
	return addr, addr.IsGlobalUnicast() || addr.IsLoopback() || addr.IsLinkLocalUnicast()
}

// validateNamespaced checks the metadata of an object that stands in a namespace.
func validateNamespaced(meta *metav1.ObjectMeta) field.ErrorList {
	at := field.NewPath("metadata")
	errs := validateMeta(meta)
	if meta.Namespace == "" {
		return append(errs, field.Required(at.Child("namespace"), "name the namespace"))
	}
	return append(errs, invalid(at.Child("namespace"), meta.Namespace, validation.IsDNS1123Label(meta.Namespace))...)
}

func validateMeta(meta *metav1.ObjectMeta) field.ErrorList {
	at := field.NewPath("metadata")
	errs := validateLabels(at.Child("labels"), meta.Labels)
	if meta.Name == "" {
		return append(errs, field.Required(at.Child("name"), "name the object"))
	}
	return append(errs, invalid(at.Child("name"), meta.Name, validation.IsDNS1123Subdomain(meta.Name))...)
}

// invalid makes one error of the reasons that apimachinery gives for a value.
func invalid(at *field.Path, value string, reasons []string) field.ErrorList {
	if len(reasons) == 0 {
		return nil
	}
	for i := range reasons {
		reasons[i] = brief(reasons[i])
	}
	return field.ErrorList{field.Invalid(at, value, strings.Join(reasons, "; "))}
}

// brief cuts the examples and the regular expression off apimachinery's sentences: they say nothing new.
func brief(reason string) string {
	reason, _, _ = strings.Cut(reason, " (e.g. ")
	return reason
}

func validateLabels(at *field.Path, labels map[string]string) field.ErrorList {
	errs := metavalidation.ValidateLabels(labels, at)
	for _, err := range errs {
		err.Detail = brief(err.Detail)
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

func validateAddress(at *field.Path, address IPAddress) field.ErrorList {
	if _, ok := address.Parse(); ok {
		return nil
	}
	if addr, err := netip.ParseAddr(string(address)); err == nil && addr.Zone() == "" && !addr.Is4In6() {
		return field.ErrorList{field.Invalid(at, string(address),
			"must be the address of one host: neither unspecified, nor multicast, nor broadcast")}
	}
	return field.ErrorList{field.Invalid(at, string(address),
		"must be an IPv4 or IPv6 address, such as 10.0.0.7 or 2001:db8::7")}
}

// validateOptionalAddress lets an empty field be.
func validateOptionalAddress(at *field.Path, address IPAddress) field.ErrorList {
	if address == "" {
		return nil
	}
	return validateAddress(at, address)
}

func validatePort(at *field.Path, port PortNumber) field.ErrorList {
	if port == 0 {
		return field.ErrorList{field.Required(at, "must be a port, 1 to 65535")}
	}
	if port < 1 || port > 65535 {
		return field.ErrorList{field.Invalid(at, port, "must be a port, 1 to 65535")}
	}
	return nil
}

func validateLabelValue(at *field.Path, value LabelValue) field.ErrorList {
	return invalid(at, string(value), validation.IsValidLabelValue(string(value)))
}

func validateName(at *field.Path, name Name) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "name the service")}
	}
	return invalid(at, string(name), validation.IsDNS1123Label(string(name)))
}

// validateOneOf checks an enumeration; an empty value passes.
func validateOneOf[T ~string](at *field.Path, value T, allowed ...T) field.ErrorList {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(at, value, allowed)}
}

func validateMode(at *field.Path, mode MTLSMode) field.ErrorList {
	return validateOneOf(at, mode, MTLSStrict, MTLSPermissive, MTLSDisabled)
}

func validateRequiredMode(at *field.Path, mode MTLSMode) field.ErrorList {
	if mode == "" {
		return field.ErrorList{field.Required(at, "must be Strict, Permissive or Disabled")}
	}
	return validateMode(at, mode)
}

func validateLength(at *field.Path, length, limit int) field.ErrorList {
	if length <= limit {
		return nil
	}
	return field.ErrorList{field.TooMany(at, length, limit)}
}

func validateSelector(at *field.Path, selector *WorkloadSelector) field.ErrorList {
	at = at.Child("matchLabels")
	if len(selector.MatchLabels) > maxMatchLabels {
		return field.ErrorList{field.TooMany(at, len(selector.MatchLabels), maxMatchLabels)}
	}
	labels := make(map[string]string, len(selector.MatchLabels))
	for key, value := range selector.MatchLabels {
		labels[key] = string(value)
	}
	return validateLabels(at, labels)
}

func duplicate(at *field.Path, value any, first *field.Path) *field.Error {
	err := field.Duplicate(at, value)
	err.Detail = fmt.Sprintf("stands in %s already: remove one of the two", first)
	return err
}
