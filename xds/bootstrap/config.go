package bootstrap

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
)

// Files of the folder.
const (
	BootstrapFile = "bootstrap.yaml"
	TokenFile     = "token"

	tokenSDSFile = "token_sds.yaml"
	rootsSDSFile = "roots_sds.yaml"
	rootsFile    = "roots.pem"
	adminSocket  = "admin.sock"
)

const (
	// ServerName is the DNS name that the control plane's certificate must have.
	ServerName = "outrigger"

	// DefaultMaxConnections is below the 28,000 connections that one loopback
	// source address can have open to one port of the application.
	DefaultMaxConnections = 25000

	maxRootsBytes = 1 << 20
)

// Config says what a workload's Envoy starts with.
type Config struct {
	// Namespace (a DNS-1123 label), Workload and ServiceAccount (DNS-1123
	// subdomains) are who the proxy is. They must be those of its token.
	Namespace, Workload, ServiceAccount string
	// Server is the control plane, "host:port". The host is an IPv4 address,
	// an IPv6 address in brackets, or a DNS name, of which all addresses are used.
	Server string
	// Further are the addresses of other replicas of the control plane, like Server. The proxy goes round all of them.
	Further []string
	// Roots is what the control plane's certificate is verified with: one or
	// more certificates as PEM, at most 1 MB.
	Roots []byte
	// Dir is the absolute path of the folder as Envoy will see it.
	Dir string
	// Admin is Envoy's admin interface: the absolute path of a Unix socket,
	// which is made with mode 0600, or "host:port" of a loopback address.
	// Empty: admin.sock in Dir.
	Admin string
	// Ready is the "host:port" on which GET /ready answers 200 once the proxy
	// has its configuration, in a pod "0.0.0.0:15021". Empty: off.
	Ready string
	// Metrics is the "host:port" on which GET /metrics and GET
	// /stats/prometheus answer, in a pod "0.0.0.0:15090". Empty: off.
	Metrics string
	// MaxConnections limits the connections that all listeners together
	// accept; the Ready, Metrics and Admin listeners do not count. 0:
	// DefaultMaxConnections.
	MaxConnections int
}

// plan is a Config that was checked, with its addresses understood.
type plan struct {
	Config
	// servers are Server and Further, in their order.
	servers []address
	admin   address
	ready   *address
	metrics *address
}

// check understands a Config, or says which field is wrong and what it wants.
func (c Config) check() (plan, error) {
	p := plan{Config: c}
	if p.MaxConnections == 0 {
		p.MaxConnections = DefaultMaxConnections
	}
	var errs []error
	errs = append(errs, c.checkNames()...)
	errs = append(errs, checkRoots(c.Roots), checkDir(c.Dir))
	if p.MaxConnections < 0 {
		errs = append(errs, fmt.Errorf("max connections %d: want a positive number", p.MaxConnections))
	}
	if err := p.understand(); err != nil {
		errs = append(errs, err)
	}
	return p, errors.Join(errs...)
}

func (c Config) checkNames() []error {
	return []error{
		checkLabel("namespace", c.Namespace),
		checkSubdomain("workload", c.Workload),
		checkSubdomain("service account", c.ServiceAccount),
	}
}

// understand parses the addresses.
func (p *plan) understand() error {
	var errs [4]error
	p.servers, errs[0] = parseServers(append([]string{p.Server}, p.Further...))
	p.admin, errs[1] = parseAdmin(p.Admin, p.Dir)
	p.ready, errs[2] = parseListener("ready", p.Ready)
	p.metrics, errs[3] = parseListener("metrics", p.Metrics)
	return errors.Join(errs[:]...)
}

func checkDir(dir string) error {
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
		return fmt.Errorf("folder %q: want a clean absolute path", dir)
	}
	return nil
}

// checkRoots refuses what Envoy would refuse later, or what must not be
// copied about: a private key beside the certificates.
func checkRoots(roots []byte) error {
	if len(roots) > maxRootsBytes {
		return fmt.Errorf("roots: %d bytes, want at most %d", len(roots), maxRootsBytes)
	}
	if len(bytes.TrimSpace(roots)) == 0 {
		return errors.New("roots: none given; the control plane writes them to roots.pem in its data folder when it first starts")
	}
	for rest := roots; len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return errors.New("roots: want PEM certificates and nothing else")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("roots: a certificate: %w", err)
		}
	}
	return nil
}
