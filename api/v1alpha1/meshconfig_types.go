package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MeshConfig holds what is true of the whole mesh. There is one, named
// "default"; without it the defaults below hold.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mesh,categories=outrigger
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="a mesh has one MeshConfig, and its name is default"
// +kubebuilder:printcolumn:name="Trust domain",type=string,JSONPath=`.spec.trustDomain`
// +kubebuilder:printcolumn:name="mTLS",type=string,JSONPath=`.spec.mtls.defaultMode`
// +kubebuilder:printcolumn:name="Unknown destinations",type=string,JSONPath=`.spec.outbound.unknownDestinations`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MeshConfig struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what is true of the whole mesh.
	//
	// +optional
	Spec MeshConfigSpec `json:"spec,omitempty,omitzero"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// MeshConfigSpec says what is true of the whole mesh.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.trustDomain) || (has(self.trustDomain) && self.trustDomain == oldSelf.trustDomain)",message="trustDomain cannot change: every identity of the mesh is made of it"
type MeshConfigSpec struct {
	// Trust domain of the mesh's identities. It must be the one that the
	// control plane was started with (--trust-domain), and it cannot change
	// later. Default: the control plane's, which by itself is cluster.local, so
	// that the identities are those that other meshes use by default.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[a-z0-9._-]+$`
	TrustDomain string `json:"trustDomain,omitempty"`

	// Mutual TLS between workloads.
	//
	// +optional
	MTLS MeshMTLS `json:"mtls,omitempty,omitzero"`

	// What leaves the workloads.
	//
	// +optional
	Outbound MeshOutbound `json:"outbound,omitempty,omitzero"`

	// Consul servers and agents whose services belong to the mesh, beside those
	// that the control plane was started with (--consul-address). Default:
	// none.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Consul []ConsulSource `json:"consul,omitempty"`

	// Services that are one with a service of Consul: clients of the former
	// reach the endpoints of both. An annotation of the service itself
	// (outrigger.dev/consul-service) goes before, so that whoever moves a
	// service needs no right to the whole mesh. Default: none, because equal
	// names are not yet the same service.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.service == a.service))",message="a service can be joined once"
	Joins []ServiceJoin `json:"joins,omitempty"`
}

// MeshMTLS says how workloads speak with each other.
type MeshMTLS struct {
	// Mode of every port that no AuthenticationPolicy selects. Default:
	// Permissive, so that workloads can join the mesh one by one; Strict is
	// the aim once all have.
	//
	// +optional
	// +kubebuilder:default=Permissive
	DefaultMode MTLSMode `json:"defaultMode,omitempty"`
}

// MeshOutbound says what happens to what leaves the workloads.
type MeshOutbound struct {
	// What happens to captured connections to addresses that no service has:
	// Allow passes them through untouched, Deny closes them. Default: Allow,
	// so that joining the mesh breaks no call to the world outside.
	//
	// +optional
	// +kubebuilder:default=Allow
	UnknownDestinations UnknownDestinations `json:"unknownDestinations,omitempty"`
}

// MTLSMode says what a port accepts: Strict mutual TLS of the mesh only,
// Permissive that and everything else, Disabled plain connections only.
//
// +kubebuilder:validation:Enum=Strict;Permissive;Disabled
type MTLSMode string

// The modes.
const (
	MTLSStrict     MTLSMode = "Strict"
	MTLSPermissive MTLSMode = "Permissive"
	MTLSDisabled   MTLSMode = "Disabled"
)

// UnknownDestinations says what happens to connections to addresses that no service has.
//
// +kubebuilder:validation:Enum=Allow;Deny
type UnknownDestinations string

// The choices.
const (
	UnknownAllow UnknownDestinations = "Allow"
	UnknownDeny  UnknownDestinations = "Deny"
)

// MeshConfigList is a list of MeshConfigs.
//
// +kubebuilder:object:root=true
type MeshConfigList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MeshConfig `json:"items"`
}
