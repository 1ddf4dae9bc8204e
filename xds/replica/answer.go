package replica

import (
	"time"

	"outrigger.dev/outrigger/xds/debug"
)

// States of a replica.
const (
	// StateUp: it answers.
	StateUp = "up"
	// StateAway: it does not answer, and may have proxies.
	StateAway = "away"
	// StateEnded: its process ended without stopping. It has no proxies.
	StateEnded = "ended"

	// stateStopped: its process stopped as it should. It is not told.
	stateStopped = "stopped"
)

// Status is what is known of one replica.
type Status struct {
	// Name is the one that it gave itself; where others have the same, and where it never answered, its address says who it is.
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	// State is one of the States above, since Since; Error says why it is not up.
	State string    `json:"state"`
	Since time.Time `json:"since,omitzero"`
	Error string    `json:"error,omitempty"`
	// Revision is the last one that it is known to have published.
	Revision string `json:"revision,omitempty"`
	// Differs are the settings in which it differs from the server that tells, as "<name>: <its value>, here <ours>".
	Differs []string `json:"differs,omitempty"`
}

// Answer is the status of a replica and its last report. Where the state is not up, the report is an old one or nil.
type Answer struct {
	Status
	Report *debug.Report `json:"report,omitempty"`
}

// Answers are those of all replicas, the server that was asked first.
type Answers struct {
	Replicas []Answer `json:"replicas"`
}

// Proxies are those of all replicas.
type Proxies struct {
	Proxies  []debug.Proxy `json:"proxies"`
	Replicas []Status      `json:"replicas"`
}
