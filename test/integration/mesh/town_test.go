package mesh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"outrigger.dev/outrigger/test/load"
)

const farNode = "node-b" // in another zone than node

// meshConfig is what the condition of the sources stands on.
const meshConfig = `
apiVersion: outrigger.dev/v1alpha1
kind: MeshConfig
metadata: {name: default}
spec:
  mtls: {defaultMode: Permissive}
`

// town is a world with a client under way: a service with two pods in either of two zones, the first with a
// sidecar, and with as many instances in Consul. A witness looks at what the client's sidecar knows of it.
type town struct {
	*world
	address string
	client  *pod
	// pods are those of Kubernetes, old those of Consul.
	pods, old []*pod
	witness   *witness
	load      *load.Load
	stop      func() load.Report
}

const cart = "cart"

// newTown starts everything, and the load.
func newTown(t *testing.T, o options) *town {
	t.Helper()
	w := newWorld(t, o)
	must(t, w.kube.Apply(t.Context(), meshConfig))
	v := &town{world: w, address: w.service(t, cart, map[string]string{"outrigger.dev/consul-service": cart})}
	for i := range 4 {
		v.old = append(v.old, w.instance(t, fmt.Sprint("legacy-", i+1), cart))
	}
	w.addNode(t, farNode, "eu-2")
	v.pods = append(v.pods, w.start(t, "cart-1", cart))
	for i, on := range []string{node, farNode, farNode} {
		v.pods = append(v.pods, w.plain(t, fmt.Sprint("cart-", i+2), on))
	}
	v.client = w.start(t, "client", "client")
	v.client.knowsAll(t, cart, all(v.everybody()...))
	v.condition(t, metav1.ConditionTrue)
	v.witness = watchEndpoints(t, v.client, cart, v.everybody()...)
	v.load, v.stop = v.client.patientLoad(t, v.address, o.patience)
	return v
}

// everybody is all pods and instances.
func (v *town) everybody() []*pod { return append(append([]*pod{}, v.pods...), v.old...) }

// condition waits until the MeshConfig says so of the sources, with these parts in its words.
func (w *world) condition(t *testing.T, status metav1.ConditionStatus, parts ...string) {
	t.Helper()
	client, err := w.kube.Dynamic()
	must(t, err)
	eventually(t, "SourcesHealthy is "+string(status), func(ctx context.Context) error {
		conditions, err := meshConditions(ctx, client)
		if err != nil {
			return err
		}
		c := meta.FindStatusCondition(conditions, "SourcesHealthy")
		if c == nil || c.Status != status || slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(c.Message, part) }) {
			return fmt.Errorf("want it with %q, the conditions are %v", parts, conditions)
		}
		return nil
	})
}

func meshConditions(ctx context.Context, client dynamic.Interface) ([]metav1.Condition, error) {
	resource := schema.GroupVersionResource{Group: "outrigger.dev", Version: "v1alpha1", Resource: "meshconfigs"}
	object, err := client.Resource(resource).Get(ctx, "default", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	text, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var mesh struct {
		Status struct{ Conditions []metav1.Condition }
	}
	err = json.Unmarshal(text, &mesh)
	return mesh.Status.Conditions, err
}

// pass lets time go by under load.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// finish ends the load and the witness: no request failed, and no live endpoint was lost.
func (v *town) finish(t *testing.T) {
	t.Helper()
	v.stop()
	v.witness.finish(t)
}

// setNodeReady changes the condition Ready of a node, as the controllers do when its kubelet is silent.
func (w *world) setNodeReady(t *testing.T, name string, ready corev1.ConditionStatus) {
	t.Helper()
	nodes := w.kube.Client().CoreV1().Nodes()
	n, err := nodes.Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: "Test"}}
	_, err = nodes.UpdateStatus(t.Context(), n, metav1.UpdateOptions{})
	must(t, err)
}
