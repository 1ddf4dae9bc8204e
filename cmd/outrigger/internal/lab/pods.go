//go:build linux

package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"outrigger.dev/outrigger/deploy/podnet"
)

// namespace is the one in which all of the lab is.
const namespace = "shop"

// spec is a pod of the lab.
type spec struct {
	name string
	// service is the service that it belongs to, and its service account; empty: it is not part of the mesh.
	service string
	// program are the arguments of its program, without its name.
	program []string
}

func specs() []spec {
	return []spec{
		{"frontend-1", "frontend", []string{programHTTP, ":8080", "http://" + vips["cart"][0] + "/"}},
		{"cart-1", "cart", []string{programHTTP, ":8080"}},
		{"cart-2", "cart", []string{programHTTP, ":8080"}},
		{"db-1", "db", []string{programGreet, ":5432"}},
		{"outside", "", []string{programHTTP, ":8080"}},
	}
}

// vips are the virtual addresses of the services, as mesh/services.yaml has them.
var vips = map[string][2]string{
	"frontend": {"10.96.0.1", "fd00:96::1"},
	"cart":     {"10.96.0.2", "fd00:96::2"},
	"db":       {"10.96.0.3", "fd00:96::3"},
}

// pod is a pod that stands.
type pod struct {
	spec
	*podnet.Pod
}

func (p pod) inMesh() bool { return p.service != "" }

// workload is what the mesh knows of the pod, in YAML.
func (p pod) workload() string {
	return fmt.Sprintf(`---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: %s, namespace: %s, labels: {app: %s}}
spec: {addresses: [%s, "%s"], serviceAccountName: %[3]s, sidecar: true}
`, p.name, namespace, p.service, p.IPv4, p.IPv6)
}

// hosts are the names that the lab's shells and programs know: pods and services.
func hosts(node *podnet.Pod, pods []pod) string {
	var b strings.Builder
	line := func(name string, addresses ...string) {
		for _, a := range addresses {
			fmt.Fprintf(&b, "%s %s\n", a, name)
		}
	}
	line("localhost", netip.AddrFrom4([4]byte{127, 0, 0, 1}).String(), netip.IPv6Loopback().String())
	line("node", node.IPv4.String(), node.IPv6.String())
	for _, p := range pods {
		line(p.name, p.IPv4.String(), p.IPv6.String())
	}
	for _, service := range []string{"frontend", "cart", "db"} {
		v := vips[service]
		line(service+" "+service+"."+namespace, v[0], v[1])
	}
	return b.String()
}
