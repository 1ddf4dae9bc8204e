package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds, as manifests name them.
const (
	KindWorkload             = "Workload"
	KindProxyConfig          = "ProxyConfig"
	KindMeshConfig           = "MeshConfig"
	KindAuthenticationPolicy = "AuthenticationPolicy"
)

// MeshConfigName is the only name that a MeshConfig may have.
const MeshConfigName = "default"

// GroupVersion returns the group and version of the kinds.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: "outrigger.dev", Version: "v1alpha1"}
}

// AddToScheme makes the kinds known to a scheme. It returns no error; the
// result is there so that it fits where schemes are put together.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion(),
		&Workload{}, &WorkloadList{},
		&ProxyConfig{}, &ProxyConfigList{},
		&MeshConfig{}, &MeshConfigList{},
		&AuthenticationPolicy{}, &AuthenticationPolicyList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion())
	return nil
}
