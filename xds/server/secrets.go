package server

import (
	"context"
	"errors"
	"time"
)

// RootsName is the secret that holds the roots. It is acknowledged before any
// other secret is sent, so that a leaf never comes before its authority.
const RootsName = "roots"

// ErrNoSecret says that a peer has no secret of that name: it is answered as missing.
var ErrNoSecret = errors.New("no such secret")

// Secrets gives streams the secrets of their peers.
type Secrets interface {
	// Open begins the session of one stream. It must not block. changed may be called, from any goroutine, when
	// roots or taints changed, so that all secrets must be asked for again; after Close it does nothing.
	Open(peer Peer, changed func()) SecretSession
}

// SecretSession belongs to one stream. Secret is called by one goroutine at a time.
type SecretSession interface {
	// Secret returns the named secret. The body is zero when the client may keep haveVersion, which is
	// what the client says, or empty. An error that wraps ErrNoSecret is answered as missing; any
	// other is tried again.
	Secret(ctx context.Context, name, haveVersion string) (Secret, error)
	// Close ends the session.
	Close()
}

// Secret is one version of a secret. It belongs to one stream and reaches no cache, view or log.
type Secret struct {
	// Version is not secret.
	Version string
	// Body is the marshalled envoy Secret message, zero when the version that the client has may be kept.
	Body Redacted
	// Renew is when to ask again; zero: only when changed is called.
	Renew time.Time
	// Expires is when what it holds ends; zero if never.
	Expires time.Time
}

// noSecrets answers every name as missing.
type noSecrets struct{}

func (noSecrets) Open(Peer, func()) SecretSession { return noSecrets{} }

func (noSecrets) Secret(context.Context, string, string) (Secret, error) {
	return Secret{}, ErrNoSecret
}
func (noSecrets) Close() {}
