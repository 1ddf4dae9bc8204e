package mesh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/test/cluster"
)

// What makes no sense is named in the log and in the metrics, and takes nothing away from anybody.
func TestBadInputIsNamed(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	v.slice(t, "of-nobody", "", 8080, "http-8080")
	v.slice(t, "of-a-stranger", "stranger", 8080, "http-8080")
	v.slice(t, "of-another-port", cart, 9999, "metrics")
	_, err := v.kube.AddService(t.Context(), cluster.NewService("consul", "db", port))
	must(t, err)
	v.another(t, v.old[0], "db")
	v.service(t, "confused", map[string]string{"outrigger.dev/consul-service": "/db", "outrigger.dev/consul-share": "101"})
	for _, want := range []problem{
		{object: "EndpointSlice shop/of-nobody", reason: "NoService"},
		{object: "EndpointSlice shop/of-a-stranger", reason: "NoService"},
		{object: "EndpointSlice shop/of-another-port", reason: "NoPort"},
		{object: "ConsulService consul/db", reason: "Duplicate"},
		{object: "Service shop/confused", reason: "Invalid"},
	} {
		v.named(t, want)
	}
	v.allWell(t)
	v.finish(t)
}

// another registers a pod under one more name.
func (w *world) another(t *testing.T, p *pod, service string) {
	t.Helper()
	i := entry(p, service)
	i.ID = "of " + service
	must(t, w.consul.Register(t.Context(), i))
}

// Names that are none in a mesh can be joined all the same, by annotation and by the MeshConfig.
func TestConsul20OddNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	shop := w.instance(t, "shop-1", "shop")
	names := []string{"a/b", "has space", "größe"}
	joins := ""
	var addresses []string
	for i, name := range names {
		w.another(t, shop, name)
		addresses = append(addresses,
			w.service(t, fmt.Sprint("noted-", i), map[string]string{"outrigger.dev/consul-service": "default/" + name}),
			w.service(t, fmt.Sprint("ruled-", i), nil))
		joins += fmt.Sprintf("  - {service: {namespace: shop, name: ruled-%d}, consul: {name: %q}}\n", i, name)
	}
	must(t, w.kube.Apply(t.Context(), "apiVersion: outrigger.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\nspec:\n  joins:\n"+joins))
	client := w.start(t, "client", "client")
	for _, address := range addresses {
		client.answeredBy(t, address, "shop-1")
	}
}

// slice writes endpoints by hand.
func (w *world) slice(t *testing.T, name, service string, number int32, portName string) {
	t.Helper()
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.77.0.250"}}},
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &number}},
	}
	if service != "" {
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	}
	_, err := w.kube.Client().DiscoveryV1().EndpointSlices(namespace).Create(t.Context(), slice, metav1.CreateOptions{})
	must(t, err)
}

// problem is what the log is to say.
type problem struct{ object, reason string }

// named waits until a problem is in the log and its reason in the metrics.
func (w *world) named(t *testing.T, want problem) {
	t.Helper()
	eventually(t, fmt.Sprintf("%+v is named", want), func(ctx context.Context) error {
		for line := range strings.Lines(w.ServerLogs()) {
			var said problemLine
			if err := json.Unmarshal([]byte(line), &said); err != nil || !said.is(want) {
				continue
			}
			metrics, err := w.Metrics(ctx)
			if err != nil {
				return err
			}
			if metrics.Sum("outrigger_config_problems", label("reason", said.Reason)) == 0 {
				return fmt.Errorf("no metric has the reason %s", said.Reason)
			}
			return nil
		}
		return fmt.Errorf("the log does not say so")
	})
}

// problemLine is a line of the log about a problem.
type problemLine struct{ Msg, Object, Reason string }

func (l problemLine) is(want problem) bool {
	return l.Msg == "the configuration has a problem" && l.Object == want.object && l.Reason == want.reason
}
