package kube

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// kind is one of the kinds of api/v1alpha1, as an API server names it.
type kind struct {
	name   string
	plural string
}

var (
	meshConfig           = kind{name: v1alpha1.KindMeshConfig, plural: "meshconfigs"}
	proxyConfig          = kind{name: v1alpha1.KindProxyConfig, plural: "proxyconfigs"}
	authenticationPolicy = kind{name: v1alpha1.KindAuthenticationPolicy, plural: "authenticationpolicies"}
	workload             = kind{name: v1alpha1.KindWorkload, plural: "workloads"}
)

// policyKinds are those that a Source watches.
func policyKinds() []kind { return []kind{meshConfig, proxyConfig, authenticationPolicy} }

// statusKinds are those whose status a Writer writes.
func statusKinds() []kind { return append(policyKinds(), workload) }

func (k kind) resource() schema.GroupVersionResource {
	return v1alpha1.GroupVersion().WithResource(k.plural)
}

// definition is the name of the kind's CustomResourceDefinition.
func (k kind) definition() string { return k.plural + "." + v1alpha1.GroupVersion().Group }

func (k kind) id(object *unstructured.Unstructured) discovery.ObjectID {
	return discovery.ObjectID{Kind: k.name, Namespace: object.GetNamespace(), Name: object.GetName()}
}

// decode reads an object into its type, without what nobody here reads.
func decode[T any](object *unstructured.Unstructured) (*T, error) {
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		return nil, fmt.Errorf("the object does not decode: %w", err)
	}
	return into, nil
}
