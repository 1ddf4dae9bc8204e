package certs

import (
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// maxSPIFFEID is the SPIFFE standard's limit of an id in bytes.
const maxSPIFFEID = 2048

// Identity is who a workload is: a service account of a namespace in a trust
// domain. The values come from whoever authenticated the caller.
type Identity struct {
	// TrustDomain is a DNS name such as "cluster.local".
	TrustDomain string
	// Namespace is a DNS-1123 label.
	Namespace string
	// ServiceAccount is a DNS-1123 subdomain.
	ServiceAccount string
}

// String returns "spiffe://<trust domain>/ns/<namespace>/sa/<service account>",
// without checking the names.
func (id Identity) String() string {
	return "spiffe://" + id.TrustDomain + "/ns/" + id.Namespace + "/sa/" + id.ServiceAccount
}

// Validate returns an error that names the field which is not a good name.
func (id Identity) Validate() error {
	if err := checkDomain("trust domain", id.TrustDomain); err != nil {
		return err
	}
	if err := checkLabel("namespace", id.Namespace); err != nil {
		return err
	}
	return checkSubdomain("service account", id.ServiceAccount)
}

// ID returns the identity as a SPIFFE id, or the error of [Identity.Validate].
func (id Identity) ID() (spiffeid.ID, error) {
	if err := id.Validate(); err != nil {
		return spiffeid.ID{}, err
	}
	parsed, err := spiffeid.FromString(id.String())
	if err != nil {
		return spiffeid.ID{}, fmt.Errorf("identity %s: %w", quote(id.String()), err)
	}
	return parsed, nil
}

// ParseIdentity reads the form that [Identity.String] writes, and no other.
func ParseIdentity(s string) (Identity, error) {
	if len(s) > maxSPIFFEID {
		return Identity{}, fmt.Errorf("identity %s: %d bytes, want at most %d", quote(s), len(s), maxSPIFFEID)
	}
	rest, ok := strings.CutPrefix(s, "spiffe://")
	if !ok {
		return Identity{}, badIdentity(s)
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" {
		return Identity{}, badIdentity(s)
	}
	id := Identity{TrustDomain: parts[0], Namespace: parts[2], ServiceAccount: parts[4]}
	if _, err := id.ID(); err != nil {
		return Identity{}, err
	}
	return id, nil
}

func badIdentity(s string) error {
	return fmt.Errorf("identity %s: want spiffe://<trust domain>/ns/<namespace>/sa/<service account>", quote(s))
}
