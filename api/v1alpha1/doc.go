// Package v1alpha1 holds the kinds of the group outrigger.dev: Workload,
// ProxyConfig, MeshConfig and AuthenticationPolicy.
//
// It imports k8s.io/apimachinery only, so that any program can use the types.
// Deepcopy, the CRDs in deploy/crds and the JSON Schema in deploy/schema are
// generated from them; the comments of the fields are what users read there.
// Where no API server stands between a user and the control plane, Validate
// says what the CRD's schema and CEL rules would say. The package never does
// I/O and keeps no state.
//
// +kubebuilder:object:generate=true
// +groupName=outrigger.dev
package v1alpha1
