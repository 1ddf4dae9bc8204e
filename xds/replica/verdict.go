package replica

import (
	"fmt"

	"outrigger.dev/outrigger/xds/debug"
)

// Verdict is how far a revision has come.
type Verdict struct {
	Revision string `json:"revision"`
	// State is one of the States below.
	State string `json:"state"`
	// Proxies counts the open streams, Acknowledged those that have the revision.
	Proxies      int `json:"proxies"`
	Acknowledged int `json:"acknowledged"`
	// Waiting is what the revision still waits for, Refused what proxies of it refused.
	Waiting []Lack    `json:"waiting"`
	Refused []Refused `json:"refused"`
	// Errors counts what is wrong with the revision and therefore not in use.
	Errors   int      `json:"errors"`
	Replicas []Status `json:"replicas"`
}

// States of a revision.
const (
	// RevisionAcknowledged: every open stream of every replica has all of it.
	RevisionAcknowledged = "acknowledged"
	// RevisionRefused: every open stream has answered, and some refused something.
	RevisionRefused = "refused"
	// RevisionWaiting: some have not answered.
	RevisionWaiting = "waiting"
)

// Lack is a proxy, or, without a name, a replica that does not have a revision, and why.
type Lack struct {
	Proxy   string `json:"proxy,omitempty"`
	Replica string `json:"replica"`
	Why     string `json:"why"`
}

// String is "<who> (<why>)".
func (l Lack) String() string {
	if l.Proxy == "" {
		return fmt.Sprintf("replica %s (%s)", l.Replica, l.Why)
	}
	return fmt.Sprintf("%s (replica %s: %s)", l.Proxy, l.Replica, l.Why)
}

// Refused is what a proxy refused.
type Refused struct {
	Proxy   string `json:"proxy"`
	Replica string `json:"replica"`
	debug.Refusal
}
