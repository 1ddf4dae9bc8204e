package mesh_test

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/xds/debug"
)

// A sidecar takes nothing else that is new while it resolves a name. An endpoint that drains does not wait for that, and once the
// name server is given up, the sidecar has all that came meanwhile.
func TestDrainPassesANameThatNobodyResolves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutConsul: true})
	address := w.service(t, cart, nil)
	w.addNode(t, node, "eu-1")
	stays, goes := w.plain(t, "cart-1", node), w.plain(t, "cart-2", node)
	client := w.start(t, "client", "client")
	client.answeredBy(t, address, stays.Name, goes.Name)

	client.MuteNames(t)
	_, err := w.kube.Client().CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeExternalName, ExternalName: "nobody.example.com", Ports: []corev1.ServicePort{{Port: 80}},
		},
	}, metav1.CreateOptions{})
	must(t, err)
	resolving := func(ctx context.Context) error {
		proxies, err := w.Proxies(ctx)
		if state := proxies[namespace+"/client"].State; err == nil && state != debug.StateBehind {
			err = fmt.Errorf("its sidecar is %s", state)
		}
		return err
	}
	eventually(t, "the client resolves the name", resolving)

	w.terminate(t, goes)
	known := all(stays)
	known[goes] = "DRAINING"
	client.knowsAll(t, cart, known)
	if err := resolving(t.Context()); err != nil {
		t.Errorf("the endpoint drained after the name was given up: %v", err)
	}
	must(t, w.WaitSynced(within(t), namespace+"/client"))
}
