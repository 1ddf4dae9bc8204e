package server

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// ErrUnauthenticated says that credentials are missing, garbage or expired: codes.Unauthenticated.
var ErrUnauthenticated = errors.New("not authenticated")

// ErrPermissionDenied says that good credentials do not allow this: codes.PermissionDenied.
var ErrPermissionDenied = errors.New("permission denied")

// Credentials are what a caller shows before anything that it sends is read.
type Credentials struct {
	// BearerToken is empty when none was sent.
	BearerToken Redacted
	// PeerCertificates is the client's chain, the leaf first, when it sent one and TLS verified it.
	PeerCertificates []*x509.Certificate
	// Remote is the address that they come from.
	Remote net.Addr
}

// Peer is who a stream belongs to. It never changes while the stream is open.
type Peer struct {
	// Node is "<namespace>/<workload>": the id that the client's node must have, and the node of the Store.
	Node string
	// Cluster is "<namespace>/<service account>": the cluster that the client's node must have.
	Cluster        string
	Namespace      string
	ServiceAccount string
	Workload       string
	// Identity is the SPIFFE id.
	Identity string
	// Expires is when the credentials end; zero if never. An open stream outlives it.
	Expires time.Time
}

// Admission is what an Authenticator says of a caller that it lets in.
type Admission struct {
	Peer Peer
	// Left is called once when the stream has ended, if it is not nil.
	Left func()
}

// Authenticator tells who a caller is. It must return within the context's
// deadline. An error that wraps [ErrUnauthenticated] or [ErrPermissionDenied]
// is shown to the caller, so it must hold no secret; any other means that
// authentication is out of order now, and the caller is told to come again.
//
// With revoke the Authenticator takes back later what it has said: the stream ends as denied, with the
// text of the error for the client. It never waits, may be called at any time, and more than once.
type Authenticator interface {
	Authenticate(ctx context.Context, credentials Credentials, revoke func(error)) (Admission, error)
}
