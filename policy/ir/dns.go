package ir

import (
	"time"

	"outrigger.dev/outrigger/discovery"
)

// DNS says that proxies resolve the names of an upstream, whose assignment they get with it: addresses and names
// in one.
type DNS struct {
	Endpoints Endpoints
	// Refresh is how long an answer counts that says nothing of it. After a failure it is asked again within Retry at
	// first, and RetryMax at most.
	Refresh, Retry, RetryMax time.Duration
}

// Equal reports whether both are the same.
func (d *DNS) Equal(other *DNS) bool {
	if d == nil || other == nil {
		return d == other
	}
	return d.Refresh == other.Refresh && d.Retry == other.Retry && d.RetryMax == other.RetryMax && d.Endpoints.Equal(&other.Endpoints)
}

// Host is an endpoint that is reached by a DNS name. Every address of the name counts with the weight.
type Host struct {
	Name   string
	Port   uint16
	Weight uint32
	Health discovery.Health
}
