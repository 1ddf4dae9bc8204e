package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Workload is one running instance outside Kubernetes: a machine, a process, a
// container. Services select it by its labels, and its namespace and service
// account make its identity.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=wl,categories=outrigger
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.spec.addresses[0]`
// +kubebuilder:printcolumn:name="Account",type=string,JSONPath=`.spec.serviceAccountName`
// +kubebuilder:printcolumn:name="Sidecar",type=boolean,JSONPath=`.spec.sidecar`
// +kubebuilder:printcolumn:name="Health",type=string,JSONPath=`.spec.health`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Workload struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the instance is and what it is.
	//
	// +required
	Spec WorkloadSpec `json:"spec"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// WorkloadSpec says where an instance is and what it is.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.sidecar) && self.sidecar && has(self.proxyless) && self.proxyless)",message="sidecar and proxyless exclude each other: an instance has a proxy before it or none"
type WorkloadSpec struct {
	// Addresses at which the instance is reached, 1 to 8 of them, no address
	// twice. Services use the first one of each family: IPv4, and IPv6 as the
	// second way there; a service that has only IPv6 addresses of its own
	// prefers IPv6.
	//
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Addresses []IPAddress `json:"addresses"`

	// Service account that the instance runs as. With the namespace it makes
	// the identity, spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
	// Default: "default", as in Kubernetes.
	//
	// +optional
	// +kubebuilder:default="default"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// Says that an Envoy of the mesh stands before the instance. Others then
	// speak mTLS with it by themselves. It is declared and not observed, so
	// that a proxy that restarts never turns its callers to plain text.
	// Default: false, since an instance without a proxy could not answer mTLS.
	//
	// +optional
	Sidecar bool `json:"sidecar,omitempty"`

	// Says that the instance is a gRPC program which takes its configuration
	// from the mesh itself, without a proxy: its clients call xds:///, its
	// servers are xDS servers. Others then speak mTLS with it by themselves, on
	// the ports that services declare as grpc or http2. It serves mTLS only,
	// also where the mode is permissive, unless the mode is disabled.
	// Default: false; it excludes sidecar.
	//
	// +optional
	Proxyless bool `json:"proxyless,omitempty"`

	// Ports of the instance that have a name. A Service whose targetPort is a
	// name finds the number here, so that instances may differ in it. A
	// targetPort that is a number needs no entry.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Ports []WorkloadPort `json:"ports,omitempty"`

	// Where the instance runs. Default: not known.
	//
	// +optional
	Locality Locality `json:"locality,omitempty,omitzero"`

	// Network that the addresses belong to. Instances of one network reach each
	// other directly. Default: the mesh's only network, which has no name.
	//
	// +optional
	Network LabelValue `json:"network,omitempty"`

	// Share of the traffic relative to the other instances of a service, 1 to
	// 1000. Default: 1, so that all instances get the same.
	//
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Weight *int32 `json:"weight,omitempty"`

	// What the instance's owner says of it. Healthy instances get traffic;
	// Degraded ones when the healthy ones do not suffice; Unhealthy ones none,
	// unless more than half of all are; Draining ones finish what they have
	// and get no new connection. Default: Healthy, since proxies find failing
	// connections out by themselves.
	//
	// +optional
	// +kubebuilder:default=Healthy
	Health Health `json:"health,omitempty"`
}

// WorkloadPort is a named port of an instance.
type WorkloadPort struct {
	// Name of the port.
	//
	// +required
	Name PortName `json:"name"`
	// Number of the port.
	//
	// +required
	Port PortNumber `json:"port"`
}

// Locality says where an instance runs.
type Locality struct {
	// Region, such as eu-central-1. Default: not known.
	//
	// +optional
	Region LabelValue `json:"region,omitempty"`
	// Zone within the region. Default: not known.
	//
	// +optional
	Zone LabelValue `json:"zone,omitempty"`
	// Part of the zone, such as a rack. Default: not known.
	//
	// +optional
	SubZone LabelValue `json:"subZone,omitempty"`
}

// Health is the state of an instance.
//
// +kubebuilder:validation:Enum=Healthy;Degraded;Unhealthy;Draining
type Health string

// The states of an instance.
const (
	HealthHealthy   Health = "Healthy"
	HealthDegraded  Health = "Degraded"
	HealthUnhealthy Health = "Unhealthy"
	HealthDraining  Health = "Draining"
)

// WorkloadList is a list of Workloads.
//
// +kubebuilder:object:root=true
type WorkloadList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Workload `json:"items"`
}
