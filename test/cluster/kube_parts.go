package cluster

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	etcdName        = "etcd"
	apiserverName   = "kube-apiserver"
	controllersName = "kube-controller-manager"

	apiserverPort = 6443
	etcdPort      = 2379
	etcdPeerPort  = 2380
)

func apiserverHost(s *site) string { return hostPort(s, apiserverPort) }

// hostPort is a port of the one address that all parts share.
func hostPort(s *site, port uint16) string { return netip.AddrPortFrom(s.ip(firstHost), port).String() }

func (k *Kube) etcdURL() string { return "http://" + hostPort(k.site, etcdPort) }

func (k *Kube) dataDir() string { return k.site.path("etcd") }

// StartEtcd starts etcd, which must not run, with the data that it had, and waits until it
// is ready, and so is the API server where that runs.
func (k *Kube) StartEtcd(ctx context.Context) (err error) {
	peer := "http://" + hostPort(k.site, etcdPeerPort)
	k.etcd, err = k.site.start(ctx, etcdName, etcdName, []string{
		// Nothing has to survive the machine: only processes are killed here.
		"--unsafe-no-fsync", "--data-dir=" + k.dataDir(), "--log-level=warn", "--quota-backend-bytes=8589934592",
		"--listen-client-urls=" + k.etcdURL(), "--advertise-client-urls=" + k.etcdURL(),
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
	})
	if err != nil {
		return err
	}
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	err = await(ctx, "etcd is ready", k.etcd, func(ctx context.Context) error {
		return ready(ctx, plain, k.etcdURL()+"/readyz")
	})
	if err != nil || k.apiserver == nil {
		return err
	}
	return k.awaitAPIServer(ctx)
}

// KillEtcd ends etcd as a crash would. The API server goes on, answers what it
// remembers from its cache, and fails all that has to be certain.
func (k *Kube) KillEtcd() { end(&k.etcd) }

// StartAPIServer starts the API server, which must not run, on the data that etcd has, and waits until it is ready.
func (k *Kube) StartAPIServer(ctx context.Context) (err error) {
	if k.apiserver, err = k.site.start(ctx, apiserverName, apiserverName, k.apiserverArgs()); err != nil {
		return err
	}
	return k.awaitAPIServer(ctx)
}

func (k *Kube) awaitAPIServer(ctx context.Context) error {
	return await(ctx, "the API server is ready", k.apiserver, func(ctx context.Context) error {
		if err := ready(ctx, k.http, "https://"+k.Host()+"/readyz"); err != nil {
			return err
		}
		return k.tryService(ctx)
	})
}

// tryService asks whether a Service could be made, with addresses of all
// families: what gives these out may be behind when /readyz says that all is well.
func (k *Kube) tryService(ctx context.Context) error {
	s := NewService(metav1.NamespaceDefault, "try", 80)
	s.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyPreferDualStack)
	_, err := k.client.CoreV1().Services(s.Namespace).Create(ctx, s, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

func (k *Kube) apiserverArgs() []string {
	f := k.files
	args := []string{
		"--etcd-servers=" + k.etcdURL(),
		"--bind-address=" + k.site.ip(firstHost).String(), fmt.Sprintf("--secure-port=%d", apiserverPort),
		// Endpoints cannot have a loopback address: the Service kubernetes has none.
		"--advertise-address=" + k.site.ip(firstHost).String(), "--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
		"--client-ca-file=" + f.ca, "--tls-cert-file=" + f.server.cert, "--tls-private-key-file=" + f.server.key,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + f.signingPub, "--service-account-signing-key-file=" + f.signingKey,
		"--authorization-mode=Node,RBAC", "--allow-privileged=true", "--profiling=false",
	}
	return append(args, k.options.APIServerArgs...)
}

// KillAPIServer ends the API server as a crash would; etcd and the controllers go on.
func (k *Kube) KillAPIServer() { end(&k.apiserver) }

// StartControllers starts the controllers, unless the options leave them out. It does not wait for anything.
func (k *Kube) StartControllers(ctx context.Context) (err error) {
	if k.options.NoControllers {
		return nil
	}
	k.controllers, err = k.site.start(ctx, controllersName, controllersName, k.controllersArgs())
	return err
}

func (k *Kube) controllersArgs() []string {
	f := k.files
	return []string{
		"--kubeconfig=" + f.controllersConfig, "--secure-port=0", "--leader-elect=false",
		"--use-service-account-credentials", "--controllers=" + strings.Join(k.options.Controllers, ","),
		"--service-account-private-key-file=" + f.signingKey, "--root-ca-file=" + f.ca,
		"--cluster-signing-cert-file=" + f.ca, "--cluster-signing-key-file=" + f.caKey,
		// Its defaults are for clusters whose API server must be spared.
		"--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-service-endpoint-syncs=20",
	}
}

// KillControllers ends the controllers as a crash would.
func (k *Kube) KillControllers() { end(&k.controllers) }

// ready asks for status 200.
func ready(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}
