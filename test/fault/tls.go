package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
)

// TLS lets a proxy end the clients' TLS and begin its own to the server, so
// that the log shows requests. Both speak HTTP/1.1, which can be read.
// Certificates of clients do not come through: they have to use tokens.
type TLS struct {
	// CertFile and KeyFile are a certificate that clients trust, PEM.
	CertFile, KeyFile string
	// CAFile is the authority of the server, PEM.
	CAFile string
}

// understand makes the proxy's connections those of TLS.
func (p *Proxy) understand(t TLS) error {
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(t.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s has no certificate", t.CAFile)
	}
	host, _, err := net.SplitHostPort(p.cfg.Target)
	if err != nil {
		return err
	}
	protocols := []string{"http/1.1"}
	server := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protocols, MinVersion: tls.VersionTLS12}
	client := &tls.Config{RootCAs: roots, ServerName: host, NextProtos: protocols, MinVersion: tls.VersionTLS12}
	p.greet = func(socket net.Conn) (net.Conn, error) { return shake(tls.Server(socket, server)) }
	p.dial = func() (net.Conn, error) {
		socket, err := p.cfg.dialPlain()
		if err != nil {
			return nil, err
		}
		return shake(tls.Client(socket, client))
	}
	return nil
}

// shake does the handshake, or closes the connection.
func shake(conn *tls.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// tcpOf is the connection of TCP under one that may be of TLS.
func tcpOf(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}
