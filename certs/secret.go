package certs

import "time"

// Kind tells the two kinds of secret apart.
type Kind uint8

// The kinds of secret.
const (
	KindLeaf Kind = iota + 1
	KindRoots
)

// String returns "leaf" or "roots".
func (k Kind) String() string {
	switch k {
	case KindLeaf:
		return "leaf"
	case KindRoots:
		return "roots"
	default:
		return "unknown"
	}
}

// Names under which a proxy asks for its secrets.
const (
	NameIdentity = "identity"
	NameRoots    = "roots"
)

// Secret is what one proxy holds: its own certificate and key, or the roots.
// It belongs to one stream, never to a shared cache, and is immutable.
type Secret struct {
	Kind Kind
	// Name is NameIdentity, NameWorkload or NameRoots.
	Name string
	// Version of a leaf is "<spiffe id>;<authority id>;<key algorithm>;<not
	// after, unix seconds>;<front of the serial number>", at most 1 KB; that
	// of the roots is a hash of them. It is not secret.
	Version string
	// Keep says that the proxy's version is good: there are no bodies below.
	Keep bool

	// ChainPEM and Key are set for a leaf, RootsPEM for the roots.
	ChainPEM []byte
	Key      PrivateKeyPEM
	RootsPEM []byte

	// NotAfter is when the certificate, or the first of the roots, ends.
	NotAfter time.Time
	// RenewAt is when to ask again; zero for roots, which do not end by themselves.
	RenewAt time.Time
}
