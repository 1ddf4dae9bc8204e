package certs

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// A leaf is renewed when 30 % of its life has elapsed, give or take 10 % of
// its life. Elapsed, not left: a leaf of 24 h is replaced after 4.8 to 9.6 h,
// which leaves at least 14 and on average 16 hours of runway in which the
// control plane may be away before any certificate ends.
const (
	renewElapsed = 0.30
	renewJitter  = 0.10
)

// Validity is the life of one leaf: what the predicates of rotation look at.
type Validity struct {
	// Version names the leaf; see [Secret].
	Version string
	// IssuedAt is when the leaf was signed. The certificate itself begins a
	// little earlier, for clocks that are slow.
	IssuedAt time.Time
	// NotAfter is when the certificate ends.
	NotAfter time.Time
}

// RenewAt returns the moment from which a leaf is to be replaced. The same
// leaf always gets the same moment; leaves that were signed together are
// spread over a fifth of their life, by a hash of their versions.
func RenewAt(v Validity) time.Time {
	life := v.NotAfter.Sub(v.IssuedAt)
	elapsed := renewElapsed + renewJitter*(2*unitHash(v.Version)-1)
	return v.IssuedAt.Add(time.Duration(float64(life) * elapsed))
}

// ShouldRenew reports whether a leaf is due to be replaced at the time now.
func ShouldRenew(v Validity, now time.Time) bool { return !now.Before(RenewAt(v)) }

// unitHash spreads texts evenly over [0, 1).
func unitHash(s string) float64 {
	sum := sha256.Sum256([]byte(s))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / math.Exp2(53)
}
