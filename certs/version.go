package certs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// keyAlgorithm is the one kind of key that leaves have.
const keyAlgorithm = "p256"

const (
	maxVersion     = 1024
	authorityIDLen = 16 // hex digits
	serialLen      = 16 // hex digits
)

var errBadVersion = errors.New("version: want <spiffe id>;<authority id>;<key algorithm>;<not after, unix seconds>;<serial>")

// leafVersion is what a leaf's version says. Every replica can judge by it,
// without having seen the leaf, whether the proxy that holds the leaf may keep it.
type leafVersion struct {
	identity  Identity
	authority string
	algorithm string
	notAfter  time.Time
	// serial is the front of the serial number: it tells apart two leaves of
	// one identity that were signed within one second, and spreads their renewal.
	serial string
}

// String returns "<spiffe id>;<authority id>;<key algorithm>;<not after>;<serial>".
func (v leafVersion) String() string {
	return strings.Join([]string{
		v.identity.String(), v.authority, v.algorithm, strconv.FormatInt(v.notAfter.Unix(), 10), v.serial,
	}, ";")
}

// parseLeafVersion reads what a proxy says it holds: text that nobody vouches for.
func parseLeafVersion(s string) (leafVersion, error) {
	if len(s) > maxVersion {
		return leafVersion{}, fmt.Errorf("%w, at most %d bytes", errBadVersion, maxVersion)
	}
	parts := strings.Split(s, ";")
	if len(parts) != 5 {
		return leafVersion{}, errBadVersion
	}
	identity, err := ParseIdentity(parts[0])
	if err != nil {
		return leafVersion{}, fmt.Errorf("version: %w", err)
	}
	notAfter, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || notAfter < 0 || notAfter > maxUnix || !isHex(parts[1], authorityIDLen) || !isHex(parts[4], serialLen) {
		return leafVersion{}, errBadVersion
	}
	v := leafVersion{
		identity: identity, authority: parts[1], algorithm: parts[2],
		notAfter: time.Unix(notAfter, 0).UTC(), serial: parts[4],
	}
	if v.algorithm != keyAlgorithm || v.String() != s {
		return leafVersion{}, errBadVersion
	}
	return v, nil
}

// maxUnix is the last second of the year 9999, the last that a certificate can name.
const maxUnix = 253402300799

// isHex reports whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
