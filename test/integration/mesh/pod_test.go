package mesh_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"outrigger.dev/outrigger/deploy/capture"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/netlab"
)

const (
	node    = "node-a"
	port    = 8080 // of every application, and of every service
	program = 1000 // whoever a program runs as
)

// pod is a pod of the lab: one of Kubernetes, or an instance of Consul.
type pod struct {
	*netlab.Pod
	object  *corev1.Pod
	sidecar *mesh.Sidecar
	stop    func()
	// listener is the program's; leaving says that it keeps no connection any more.
	listener net.Listener
	leaving  atomic.Bool
}

// addNode makes the node that pods are on, unless it is there.
func (w *world) addNode(t *testing.T, name, zone string) {
	t.Helper()
	if err := w.kube.AddNode(t.Context(), name, "eu", zone); !apierrors.IsAlreadyExists(err) {
		must(t, err)
	}
}

// start makes a pod with an application, with a sidecar in front of it, and makes it ready when that is, as a kubelet would.
func (w *world) start(t *testing.T, name, app string) *pod {
	t.Helper()
	p := w.captured(t, name, app)
	sidecar, err := w.Ready(context.WithoutCancel(t.Context()), w.sidecarOf(t, p, audience))
	must(t, err)
	p.sidecar = sidecar
	must(t, w.kube.SetPodReady(t.Context(), namespace, name, true))
	return p
}

// captured makes a pod that is to have a sidecar, and has none yet.
func (w *world) captured(t *testing.T, name, app string) *pod {
	t.Helper()
	w.addNode(t, node, "eu-1")
	p := &pod{Pod: w.lab.Pod(t, name)}
	p.serve(t)
	w.announce(t, p, cluster.Pod{
		Labels: map[string]string{"app": app, "outrigger.dev/proxy": "sidecar"}, Node: node, NotReady: true,
	})
	must(t, p.Do(func() error { return capture.Apply(capture.Config{ProxyUser: capture.DefaultProxyUser}) }))
	return p
}

// plain makes a pod of the service cart without a sidecar, on a node.
func (w *world) plain(t *testing.T, name, on string) *pod {
	t.Helper()
	p := &pod{Pod: w.lab.Pod(t, name)}
	p.serve(t)
	w.announce(t, p, cluster.Pod{Labels: map[string]string{"app": cart}, Node: on})
	return p
}

// announce writes the object of a pod, whose service account has its name.
func (w *world) announce(t *testing.T, p *pod, object cluster.Pod) {
	t.Helper()
	object.Namespace, object.Name, object.ServiceAccount = namespace, p.Name, p.Name
	object.IPs = []string{p.IPv4.String()}
	var err error
	p.object, err = w.kube.AddPod(t.Context(), object)
	must(t, err)
}

// audience is whom tokens must be meant for.
const audience = "outrigger"

// sidecarOf is the sidecar of a pod with a token of it, meant for somebody.
func (w *world) sidecarOf(t *testing.T, p *pod, meant string) mesh.SidecarConfig {
	t.Helper()
	c := w.bare(p)
	c.TokenFile = w.tokenOf(t, p, meant)
	return c
}

// bare is the sidecar of a pod with a token of the control plane's own.
func (w *world) bare(p *pod) mesh.SidecarConfig {
	return mesh.SidecarConfig{
		Namespace: namespace, Workload: p.Name, ServiceAccount: p.Name, Server: w.xds,
		Place: p.Place(capture.DefaultProxyUser), Bootstrap: []string{"--ready", "[::]:15021"},
	}
}

// tokenOf is a file with a token of a pod.
func (w *world) tokenOf(t *testing.T, p *pod, meant string) string {
	t.Helper()
	token, err := w.kube.PodToken(t.Context(), p.object, meant, 0)
	must(t, err)
	file := filepath.Join(w.Dir(), p.Name+".token")
	must(t, os.WriteFile(file, []byte(token), 0o600))
	return file
}

// instance makes a pod with an application that Kubernetes does not know, and registers it in Consul.
func (w *world) instance(t *testing.T, name, service string) *pod {
	t.Helper()
	p := &pod{Pod: w.lab.Pod(t, name)}
	p.serve(t)
	w.register(t, p, service)
	return p
}

// register puts a pod into Consul's catalog, on a node of its own.
func (w *world) register(t *testing.T, p *pod, service string) {
	t.Helper()
	must(t, w.consul.Register(t.Context(), entry(p, service)))
}

func entry(p *pod, service string) cluster.Instance {
	return cluster.Instance{
		Node: "node-" + p.Name, NodeAddress: p.IPv4.String(), Service: service, ID: p.Name, Address: p.IPv4.String(), Port: port,
	}
}

// deregister takes a pod out of Consul's catalog.
func (w *world) deregister(t *testing.T, p *pod) {
	t.Helper()
	must(t, w.consul.Deregister(t.Context(), "node-"+p.Name, p.Name))
}

// terminate asks a pod to end. It goes on serving.
func (w *world) terminate(t *testing.T, p *pod) {
	t.Helper()
	must(t, w.kube.TerminatePod(t.Context(), namespace, p.Name))
}

// remove takes a pod away that has ended.
func (w *world) remove(t *testing.T, p *pod) {
	t.Helper()
	must(t, w.kube.RemovePod(t.Context(), namespace, p.Name))
}

// service makes a Service over the pods with a label app of its name, and returns its address for clients.
func (w *world) service(t *testing.T, name string, annotations map[string]string) string {
	t.Helper()
	s := cluster.NewService(namespace, name, port)
	s.Annotations = annotations
	made, err := w.kube.AddService(t.Context(), s)
	must(t, err)
	return net.JoinHostPort(made.Spec.ClusterIP, strconv.Itoa(port))
}

// serve answers with the pod's name, until the test or the pod ends.
func (p *pod) serve(t *testing.T) {
	t.Helper()
	server := &http.Server{ReadHeaderTimeout: testLimit, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprintf(w, "%s cert=%s", p.Name, r.Header.Get("x-forwarded-client-cert"))
	})}
	var err error
	p.listener, err = p.Listen(t.Context(), "tcp", fmt.Sprintf(":%d", port))
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(p.listener) // It ends with the error that it was closed.
	}()
	p.stop = sync.OnceFunc(func() {
		// Requests under way get their answers, as from a program that ends well.
		if err := server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		<-done
	})
	t.Cleanup(p.stop)
}

// dial connects from the pod as a program of it.
func (p *pod) dial(ctx context.Context, _, address string) (net.Conn, error) {
	return p.DialAs(ctx, program, address)
}
