package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// NameWorkload is the secret that a program without a proxy asks for: a certificate of its identity that also says
// which workload it is, by which the control plane knows it.
const NameWorkload = "workload"

// workloadSuffix ends the DNS name of a workload's certificate, "<workload>.<namespace>.workload.invalid". Nothing
// resolves there, so that the name is that of no host.
const workloadSuffix = ".workload.invalid"

// WorkloadLeaf is [Issuer.Leaf] for the secret NameWorkload: the certificate names the workload, a DNS-1123 subdomain,
// which the caller has authenticated too.
func (i *Issuer) WorkloadLeaf(ctx context.Context, identity Identity, workload, haveVersion string) (Secret, error) {
	if err := checkSubdomain("workload", workload); err != nil {
		return Secret{}, err
	}
	secret, err := i.leaf(ctx, identity, haveVersion, workload+"."+identity.Namespace+workloadSuffix)
	secret.Name = NameWorkload
	return secret, err
}

// errNoWorkload says that a good certificate is not one of NameWorkload.
var errNoWorkload = errors.New("the certificate names no workload; `outrigger certificate` writes one that does")

// WorkloadOf returns the identity and the workload that a certificate names. Whether it is good, and
// whose authority it is, was verified by TLS.
func WorkloadOf(cert *x509.Certificate) (identity Identity, workload string, err error) {
	if len(cert.URIs) != 1 || len(cert.DNSNames) != 1 {
		return Identity{}, "", errNoWorkload
	}
	if identity, err = ParseIdentity(cert.URIs[0].String()); err != nil {
		return Identity{}, "", fmt.Errorf("certificate: %w", err)
	}
	workload, found := strings.CutSuffix(cert.DNSNames[0], "."+identity.Namespace+workloadSuffix)
	if !found {
		return Identity{}, "", errNoWorkload
	}
	return identity, workload, checkSubdomain("workload", workload)
}
