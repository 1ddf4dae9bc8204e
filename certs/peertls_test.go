package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"testing"
)

// TestPeerTLS: servers of one authority speak to each other, and nobody else speaks to one of them, whatever else its
// certificate is good for.
func TestPeerTLS(t *testing.T) {
	dir := dataFolder(t)
	mesh, replica, foreign := openAt(t, Config{Dir: dir}), openAt(t, Config{Dir: dir}), openAt(t, Config{Dir: dataFolder(t)})
	server, own := peerConfigs(t, mesh)
	_, other := peerConfigs(t, replica)
	_, stranger := peerConfigs(t, foreign)
	trusting := stranger.Clone()
	trusting.RootCAs = mesh.Bundle().Pool()
	nobody := own.Clone()
	nobody.GetClientCertificate = nil
	workload := peerTLS(t, mesh, mesh, cart)
	workload.ServerName = ServerName
	for name, test := range map[string]struct {
		client *tls.Config
		good   bool
	}{
		"itself":                              {own, true},
		"another replica":                     {other, true},
		"a control plane of another mesh":     {stranger, false},
		"one that trusts this mesh":           {trusting, false},
		"no certificate":                      {nobody, false},
		"a workload of the mesh":              {workload, false},
		"the certificate for proxies":         {shows(t, own, mesh, nil), false},
		"another name of the control plane":   {shows(t, own, mesh, []string{"spiffe://cluster.local/ns/outrigger/sa/outrigger"}), false},
		"more names than the control plane's": {shows(t, own, mesh, []string{"spiffe://cluster.local/outrigger", "spiffe://cluster.local/ns/a/sa/b"}), false},
	} {
		if err := handshake(t, test.client, server); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPeerTLSKnowsTheServer: the calling side too looks at who answers.
func TestPeerTLSKnowsTheServer(t *testing.T) {
	mesh := openAt(t, Config{Dir: dataFolder(t)})
	_, client := peerConfigs(t, mesh)
	proxies, err := mesh.ServerTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, client, proxies); err == nil {
		t.Error("the listener for proxies was taken for one of replicas")
	}
}

// TestNoWorkloadIsAControlPlane: whoever has the certificate of replicas cannot be a workload with it.
func TestNoWorkloadIsAControlPlane(t *testing.T) {
	mesh := openAt(t, Config{Dir: dataFolder(t)})
	server, _ := peerConfigs(t, mesh)
	cert := serverLeaf(t, server)
	if _, _, err := WorkloadOf(cert); err == nil {
		t.Errorf("%v is taken for a workload", cert.URIs)
	}
	if _, err := ParseIdentity(cert.URIs[0].String()); err == nil {
		t.Errorf("%v is taken for an identity", cert.URIs)
	}
}

func peerConfigs(t *testing.T, authority *Authority) (server, client *tls.Config) {
	t.Helper()
	server, client, err := authority.PeerTLS()
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

// shows returns settings that show a certificate of the authority with other URIs.
func shows(t *testing.T, like *tls.Config, authority *Authority, uris []string) *tls.Config {
	t.Helper()
	source := &serverCert{
		authority: authority, dns: []string{ServerName},
		usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, text := range uris {
		uri, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		source.uris = append(source.uris, uri)
	}
	config := like.Clone()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return source.get() }
	return config
}
