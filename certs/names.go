package certs

import (
	"fmt"
	"strings"
)

// Limits of DNS-1123 names in bytes.
const (
	maxLabel     = 63
	maxSubdomain = 253
)

const (
	labelRule     = "want lower-case letters, digits and '-', starting and ending with a letter or digit, at most 63 bytes"
	subdomainRule = "want lower-case letters, digits, '-' and '.', every part starting and ending with a letter or digit, at most 253 bytes"
)

// isLabel reports whether s is a DNS-1123 label of any length.
func isLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// checkLabel refuses what is not a DNS-1123 label, naming the field.
func checkLabel(field, value string) error {
	if len(value) > maxLabel || !isLabel(value) {
		return fmt.Errorf("%s %s: %s", field, quote(value), labelRule)
	}
	return nil
}

// checkSubdomain refuses what is not a DNS-1123 subdomain, naming the field.
// As in Kubernetes, only the whole is limited in length, not its parts.
func checkSubdomain(field, value string) error {
	if len(value) > maxSubdomain {
		return fmt.Errorf("%s %s: %s", field, quote(value), subdomainRule)
	}
	for part := range strings.SplitSeq(value, ".") {
		if !isLabel(part) {
			return fmt.Errorf("%s %s: %s", field, quote(value), subdomainRule)
		}
	}
	return nil
}

// checkDomain refuses what cannot stand as a host name in a certificate:
// a DNS-1123 subdomain whose parts are labels of at most 63 bytes.
func checkDomain(field, value string) error {
	if err := checkSubdomain(field, value); err != nil {
		return err
	}
	for part := range strings.SplitSeq(value, ".") {
		if len(part) > maxLabel {
			return fmt.Errorf("%s %s: every part between dots has at most 63 bytes", field, quote(value))
		}
	}
	return nil
}

// quote shows text that may come from outside, shortened, so that it can fill no log.
func quote(s string) string {
	const shown = 64
	if len(s) > shown {
		return fmt.Sprintf("%q...", s[:shown])
	}
	return fmt.Sprintf("%q", s)
}
