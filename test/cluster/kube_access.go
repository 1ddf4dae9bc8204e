package cluster

import (
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"outrigger.dev/outrigger/test/fault"
)

// Access is how somebody reaches an API server, and as whom: with a certificate or with a token.
type Access struct {
	// Server is the URL, such as "https://127.100.3.2:6443".
	Server string
	// CAFile is the PEM file of the server's authority.
	CAFile string
	// CertFile and KeyFile are PEM files.
	CertFile, KeyFile string
	// Token is a bearer token; TokenFile a file with one, which is read again when it changes.
	Token, TokenFile string
}

// Admin has all rights.
func (k *Kube) Admin() Access { return k.files.access(k.site, k.files.admin) }

// Kubeconfig is the file of an administrator.
func (k *Kube) Kubeconfig() string { return k.files.adminConfig }

// Host is the address and port of the API server, for a proxy that stands in between.
func (k *Kube) Host() string { return apiserverHost(k.site) }

// TLS lets a proxy log the requests to the API server of clients with tokens.
func (k *Kube) TLS() *fault.TLS {
	return &fault.TLS{CertFile: k.files.server.cert, KeyFile: k.files.server.key, CAFile: k.files.ca}
}

// Via is the same access through a proxy on another address and port. The
// server's certificate is also valid for 127.0.0.1 and localhost.
func (a Access) Via(host string) Access {
	a.Server = "https://" + host
	return a
}

// Config is the access for client-go, without a limit of requests.
func (a Access) Config() (*rest.Config, error) {
	config, err := clientcmd.NewDefaultClientConfig(*a.kubeconfig(), nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	// From files client-go would read certificates again and again, by a goroutine that nobody ends.
	if err := rest.LoadTLSFiles(config); err != nil {
		return nil, err
	}
	config.CAFile, config.CertFile, config.KeyFile = "", "", ""
	return config, nil
}

// WriteKubeconfig writes the access to a file for --kubeconfig. It names the files of the access, and holds the token.
func (a Access) WriteKubeconfig(path string) error {
	return clientcmd.WriteToFile(*a.kubeconfig(), path)
}

func (a Access) kubeconfig() *clientcmdapi.Config {
	const name = "test"
	return &clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {Server: a.Server, CertificateAuthority: a.CAFile}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificate: a.CertFile, ClientKey: a.KeyFile, Token: a.Token, TokenFile: a.TokenFile,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}
}
