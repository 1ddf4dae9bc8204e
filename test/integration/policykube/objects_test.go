package policykube_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

var plurals = map[string]string{
	v1alpha1.KindMeshConfig:           "meshconfigs",
	v1alpha1.KindProxyConfig:          "proxyconfigs",
	v1alpha1.KindAuthenticationPolicy: "authenticationpolicies",
	v1alpha1.KindWorkload:             "workloads",
}

var (
	meshID   = discovery.ObjectID{Kind: v1alpha1.KindMeshConfig, Name: "default"}
	proxyID  = discovery.ObjectID{Kind: v1alpha1.KindProxyConfig, Namespace: "shop", Name: "cart"}
	strictID = discovery.ObjectID{Kind: v1alpha1.KindAuthenticationPolicy, Namespace: "shop", Name: "strict"}
	otherID  = discovery.ObjectID{Kind: v1alpha1.KindAuthenticationPolicy, Namespace: "shop", Name: "other"}
	vmID     = discovery.ObjectID{Kind: v1alpha1.KindWorkload, Namespace: "shop", Name: "vm-1"}
)

const (
	meshText = `
apiVersion: outrigger.dev/v1alpha1
kind: MeshConfig
metadata: {name: default}
spec: {mtls: {defaultMode: Strict}}
`
	proxyText = `
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: cart, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}}
`
	strictText = `
apiVersion: outrigger.dev/v1alpha1
kind: AuthenticationPolicy
metadata: {name: strict, namespace: shop}
spec: {peer: {mode: Strict}}
`
	otherText = `
apiVersion: outrigger.dev/v1alpha1
kind: AuthenticationPolicy
metadata: {name: other, namespace: shop}
spec: {selector: {matchLabels: {app: other}}, peer: {mode: Disabled}}
`
	vmText = `
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: vm-1, namespace: shop}
spec: {addresses: [10.0.0.7]}
`
)

// resource is where an object is, with all rights.
func resource(t *testing.T, id discovery.ObjectID) dynamic.ResourceInterface {
	t.Helper()
	client, err := kube.Dynamic()
	must(t, err)
	return client.Resource(v1alpha1.GroupVersion().WithResource(plurals[id.Kind])).Namespace(id.Namespace)
}

func get(t *testing.T, id discovery.ObjectID) *unstructured.Unstructured {
	t.Helper()
	object, err := resource(t, id).Get(t.Context(), id.Name, metav1.GetOptions{})
	must(t, err)
	return object
}

func remove(t *testing.T, id discovery.ObjectID) {
	t.Helper()
	must(t, resource(t, id).Delete(t.Context(), id.Name, metav1.DeleteOptions{}))
}

// patch merges a change into an object, or into its status.
func patch(t *testing.T, id discovery.ObjectID, change string, subresources ...string) {
	t.Helper()
	_, err := resource(t, id).Patch(t.Context(), id.Name, types.MergePatchType, []byte(change), metav1.PatchOptions{}, subresources...)
	must(t, err)
}

// clean begins and ends a test without objects of ours, and with all definitions.
func clean(t *testing.T) {
	t.Helper()
	wipe := func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		must(t, kube.ApplyCRDs(ctx))
		for kind := range plurals {
			id := discovery.ObjectID{Kind: kind, Namespace: "shop"}
			if kind == v1alpha1.KindMeshConfig {
				id.Namespace = ""
			}
			must(t, resource(t, id).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
		}
	}
	wipe()
	t.Cleanup(wipe)
}

// conditions are those of an object, by type.
func conditions(t *testing.T, id discovery.ObjectID) map[string]metav1.Condition {
	t.Helper()
	fields, _, err := unstructured.NestedMap(get(t, id).Object, "status")
	must(t, err)
	text, err := json.Marshal(fields)
	must(t, err)
	var status v1alpha1.Status
	must(t, json.Unmarshal(text, &status))
	found := make(map[string]metav1.Condition, len(status.Conditions))
	for _, condition := range status.Conditions {
		found[condition.Type] = condition
	}
	return found
}

// await waits until something holds, and fails with what it is when it does not.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := limited(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}
