package cluster

import (
	"net/netip"
	"path/filepath"
)

// kubeFiles are the certificates, keys and kubeconfigs of a control plane. They
// stay the same whatever becomes of its parts and its data.
type kubeFiles struct {
	ca                             string // PEM
	caKey                          string
	server                         keyPair
	signingKey, signingPub         string // of service account tokens
	admin, controllers             keyPair
	adminConfig, controllersConfig string // kubeconfigs
}

// serviceIP is the API server's ClusterIP, the first of the range.
const serviceIP = "10.96.0.1"

func newKubeFiles(s *site) (kubeFiles, error) {
	p, err := newPKI(s.path("pki"))
	if err != nil {
		return kubeFiles{}, err
	}
	f := kubeFiles{ca: p.caFile()}
	for _, step := range []func() error{
		func() (err error) { f.caKey, err = p.caKeyFile(); return err },
		func() (err error) { f.signingKey, f.signingPub, err = p.signingKey("service-accounts"); return err },
		func() (err error) { f.server, err = p.issue("apiserver", serverLeaf(s)); return err },
		func() (err error) {
			f.admin, err = p.issue("admin", leaf{name: "admin", groups: []string{"system:masters"}})
			return err
		},
		func() (err error) {
			f.controllers, err = p.issue("controllers", leaf{name: "system:kube-controller-manager"})
			return err
		},
		func() error { return f.writeConfigs(s) },
	} {
		if err := step(); err != nil {
			return kubeFiles{}, err
		}
	}
	return f, nil
}

// serverLeaf is valid for the API server's names and addresses, and for a proxy on 127.0.0.1.
func serverLeaf(s *site) leaf {
	return leaf{
		name: "kube-apiserver",
		dns:  []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		ips:  []netip.Addr{s.ip(firstHost), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(serviceIP)},
	}
}

func (f *kubeFiles) writeConfigs(s *site) error {
	dir := filepath.Dir(f.ca)
	f.adminConfig, f.controllersConfig = filepath.Join(dir, "admin.conf"), filepath.Join(dir, "controllers.conf")
	if err := f.access(s, f.admin).WriteKubeconfig(f.adminConfig); err != nil {
		return err
	}
	return f.access(s, f.controllers).WriteKubeconfig(f.controllersConfig)
}

func (f *kubeFiles) access(s *site, who keyPair) Access {
	return Access{Server: "https://" + apiserverHost(s), CAFile: f.ca, CertFile: who.cert, KeyFile: who.key}
}
