package consul

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"outrigger.dev/outrigger/internal/conns"
)

// The times by which a dead connection is noticed.
const (
	dialTimeout = 5 * time.Second
	pingAfter   = 10 * time.Second
	pingTimeout = 10 * time.Second
	idleTimeout = 90 * time.Second
)

// connections are those that are open, of one transport after the other.
type connections struct {
	*conns.Dialer
	limit int
}

func newConnections(dial conns.DialFunc, limit int) *connections {
	return &connections{Dialer: conns.New(dial), limit: limit}
}

// transport returns one that trusts the given roots; nil: the machine's. It follows no proxy of the environment.
func (c *connections) transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		DialContext:         c.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxConnsPerHost:     c.limit,
		MaxIdleConnsPerHost: c.limit,
		IdleConnTimeout:     idleTimeout,
	}
}
