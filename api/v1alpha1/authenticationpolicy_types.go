package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AuthenticationPolicy says what workloads demand of those who call them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=authn,categories=outrigger
// +kubebuilder:printcolumn:name="mTLS",type=string,JSONPath=`.spec.peer.mode`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AuthenticationPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which workloads demand what.
	//
	// +required
	Spec AuthenticationPolicySpec `json:"spec"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// AuthenticationPolicySpec says which workloads demand what.
type AuthenticationPolicySpec struct {
	// Workloads that the policy is for. Default: all of the namespace.
	//
	// +optional
	Selector WorkloadSelector `json:"selector,omitempty,omitzero"`

	// What the caller's proxy has to prove.
	//
	// +required
	Peer PeerAuthentication `json:"peer"`
}

// PeerAuthentication says what the caller's proxy has to prove.
type PeerAuthentication struct {
	// Mode of all ports that are not listed below. It has no default: a policy
	// that does not say what it demands is a mistake.
	//
	// +required
	Mode MTLSMode `json:"mode"`

	// Ports with a mode of their own, such as one that a monitor outside the
	// mesh calls. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=port
	// +kubebuilder:validation:MaxItems=64
	Ports []PortMTLS `json:"ports,omitempty"`
}

// PortMTLS is the mode of one port.
type PortMTLS struct {
	// Port at which the workload is reached: the target port of its services,
	// or the port of an ingress listener of its ProxyConfig.
	//
	// +required
	Port PortNumber `json:"port"`
	// Mode of the port.
	//
	// +required
	Mode MTLSMode `json:"mode"`
}

// AuthenticationPolicyList is a list of AuthenticationPolicies.
//
// +kubebuilder:object:root=true
type AuthenticationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AuthenticationPolicy `json:"items"`
}
