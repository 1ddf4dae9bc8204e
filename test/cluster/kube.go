package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/test/process"
)

// KubeOptions says what StartKube, OpenKube and WithKube run. The zero value is
// an API server with etcd, the controllers and our kinds.
type KubeOptions struct {
	// NoControllers leaves out kube-controller-manager: nothing makes
	// EndpointSlices, removes what belonged to something, or finishes the deletion of a namespace.
	NoControllers bool
	// Controllers are those that run, as kube-controller-manager's --controllers
	// has them. Empty: DefaultControllers.
	Controllers []string
	// NoCRDs leaves out our kinds (deploy/crds).
	NoCRDs bool
	// APIServerArgs are further arguments of kube-apiserver.
	APIServerArgs []string
}

// DefaultControllers make EndpointSlices, and clean up. None of them judges
// nodes: without kubelets it would take every node for lost.
func DefaultControllers() []string {
	return []string{
		"endpointslice-controller", "endpointslice-mirroring-controller", "garbage-collector-controller",
		"namespace-controller", "serviceaccount-controller", "root-ca-certificate-publisher-controller",
	}
}

// Kube is a running Kubernetes control plane, without nodes. Its methods may be
// called from several goroutines, except for those that start and end its parts.
type Kube struct {
	options KubeOptions
	site    *site
	files   kubeFiles
	client  *kubernetes.Clientset
	http    *http.Client
	// A part that does not run is nil.
	etcd, apiserver, controllers *process.Process
}

// StartKube runs a control plane for one test, which fails when that fails.
func StartKube(tb TB, o KubeOptions) *Kube {
	tb.Helper()
	k, err := OpenKube(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	endWith(tb, k)
	return k
}

// WithKube runs a control plane for the tests of a package: from TestMain, with run being m.Run. It puts the
// control plane into k, and returns the code to exit with.
func WithKube(k **Kube, o KubeOptions, run func() int) int {
	opened, err := OpenKube(context.Background(), o)
	if err != nil {
		return complain(err)
	}
	*k = opened
	return endAfter(opened, run())
}

// OpenKube runs a control plane until Close, and waits until the API server is
// ready. ctx limits the wait only. When it fails, nothing is left behind, and
// the error has the logs.
func OpenKube(ctx context.Context, o KubeOptions) (*Kube, error) {
	k, err := newKube(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if err := k.launch(ctx); err != nil {
		err = fmt.Errorf("kubernetes: %w\n%s", err, k.Logs())
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// newKube prepares folders, certificates and the client; nothing runs yet.
func newKube(ctx context.Context, o KubeOptions) (*Kube, error) {
	if len(o.Controllers) == 0 {
		o.Controllers = DefaultControllers()
	}
	site, err := newSite(ctx, "kube")
	if err != nil {
		return nil, err
	}
	k := &Kube{options: o, site: site}
	if err := k.prepare(); err != nil {
		return nil, errors.Join(err, site.close())
	}
	return k, nil
}

func (k *Kube) prepare() (err error) {
	if k.files, err = newKubeFiles(k.site); err != nil {
		return err
	}
	config, err := k.Admin().Config()
	if err != nil {
		return err
	}
	if k.http, err = rest.HTTPClientFor(config); err != nil {
		return err
	}
	k.client, err = kubernetes.NewForConfigAndClient(config, k.http)
	return err
}

func (k *Kube) launch(ctx context.Context) error {
	if err := k.StartEtcd(ctx); err != nil {
		return err
	}
	if err := k.StartAPIServer(ctx); err != nil {
		return err
	}
	if err := k.StartControllers(ctx); err != nil {
		return err
	}
	if k.options.NoCRDs {
		return nil
	}
	return k.ApplyCRDs(ctx)
}

// Close ends all parts and removes what they wrote.
func (k *Kube) Close() error {
	k.KillControllers()
	k.KillAPIServer()
	k.KillEtcd()
	k.http.CloseIdleConnections()
	return k.site.close()
}

// Logs is the last that each part said.
func (k *Kube) Logs() string {
	var all strings.Builder
	for _, name := range []string{etcdName, apiserverName, controllersName} {
		all.WriteString(tail(name, k.site.log(name)))
	}
	return all.String()
}

// Client asks the API server with all rights and without a limit of its own.
func (k *Kube) Client() kubernetes.Interface { return k.client }

// end kills a part, if it runs.
func end(part **process.Process) {
	if *part != nil {
		(*part).Kill()
		*part = nil
	}
}
