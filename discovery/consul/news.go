package consul

import "time"

// kind is what a watch asks for.
type kind uint8

const (
	kindCatalog kind = iota
	kindChecks
	kindHealth
)

// watchID names a watch.
type watchID struct {
	kind kind
	name name
}

// String returns "catalog", "checks" or "service <name>".
func (id watchID) String() string {
	switch id.kind {
	case kindCatalog:
		return "catalog"
	case kindChecks:
		return "checks"
	case kindHealth:
	}
	return "service " + id.name.String()
}

// path is what a watch asks for.
func (id watchID) path() string {
	switch id.kind {
	case kindCatalog:
		return "/v1/catalog/services"
	case kindChecks:
		return "/v1/health/state/any"
	case kindHealth:
	}
	return "/v1/health/service/" + id.name.service
}

// news is what a watch tells.
type news struct {
	from *watch
	// err is why the answer is missing, or not to be believed; nil says that all is well.
	err error
	// readAt is when the answer was read; zero without one.
	readAt      time.Time
	multiplexed bool
	index       uint64
	// payload is what the answer holds, nil when it is what was told before or not to be used. Partial says that what it
	// lacks may be there all the same.
	payload payload
	partial bool
	// undecided says that the answer tells nothing before the leader was asked.
	undecided bool
}

// payload is a decoded answer: catalog, checks or instances.
type payload interface{ isPayload() }

// decoder makes payloads of answers, and remembers the one that was accepted last.
type decoder interface {
	decode(body []byte) (payload, error)
	// compare says whether a payload lacks something that the accepted one has, and whether both are the same.
	compare(p payload) (shrinks, same bool)
	// accept takes a payload; what a partial one lacks stays.
	accept(p payload, partial bool)
}
