package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IPAddress is an IPv4 or IPv6 address in text, without a zone, such as
// 10.0.0.7 or 2001:db8::7. Unspecified (0.0.0.0, ::), multicast and broadcast
// addresses are refused, and so are IPv4 addresses written as IPv6: nothing
// can be reached at the former, and the latter would name one address twice.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=45
// +kubebuilder:validation:XValidation:rule="isIP(self)",message="must be an IPv4 or IPv6 address, such as 10.0.0.7 or 2001:db8::7"
// +kubebuilder:validation:XValidation:rule="!isIP(self) || ip(self).isGlobalUnicast() || ip(self).isLoopback() || ip(self).isLinkLocalUnicast()",message="must be the address of one host: neither unspecified, nor multicast, nor broadcast"
type IPAddress string

// PortNumber is a TCP port, 1 to 65535.
//
// +kubebuilder:validation:Minimum=1
// +kubebuilder:validation:Maximum=65535
type PortNumber int32

// PortName names a port of a Workload, as a container's port is named in
// Kubernetes: at most 15 lower-case letters, digits and single hyphens, with
// one letter at least, so that it is never taken for a number.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=15
// +kubebuilder:validation:Pattern=`^[a-z0-9]+(-[a-z0-9]+)*$`
// +kubebuilder:validation:XValidation:rule="self.matches('[a-z]')",message="must contain a letter: a name of digits only would look like a number"
type PortName string

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
type LabelValue string

// Name is the name of an object that may become part of a host name: a label of RFC 1123.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type Name string

// NameOrAll is a Name, or "*" for all.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$`
type NameOrAll string

// WorkloadSelector selects workloads of the object's own namespace.
type WorkloadSelector struct {
	// Labels that a workload must carry, all of them. Absent or empty: every
	// workload of the namespace. Where several objects of a kind select one
	// workload, an object with labels goes before one without, then the first
	// by name; they do not merge, so that one object tells the whole truth.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="keys must be label keys, such as app or example.com/app"
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`
}

// Status is what the control plane found out about an object. In a folder of
// files nobody writes it, and what stands there is ignored.
type Status struct {
	// Conditions of the object: Accepted says whether it is in use, and if not, why.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
