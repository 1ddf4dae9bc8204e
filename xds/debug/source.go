package debug

import "time"

// Source is how one source of the mesh is, and what is held of it.
type Source struct {
	// Name is "<kind>/<name>".
	Name string `json:"name"`
	// Synced says that it has told its whole state.
	Synced bool `json:"synced"`
	// Updated is when it told something last; zero: never.
	Updated time.Time `json:"updated,omitzero"`
	// Trouble is why what is missing from it is not believed, since Troubled; empty: it is.
	Trouble  string    `json:"trouble,omitempty"`
	Troubled time.Time `json:"troubled,omitzero"`
	// Watching is what it knows of its own watching; nil where it does not.
	Watching *Watching `json:"watching,omitempty"`
	// Held is what is held of it; nil for a source that holds by itself.
	Held *Held `json:"held,omitempty"`
}

// Watching is how the watching of a registry goes. Counts are since the start of the server.
type Watching struct {
	// ReadAt is when the registry was last heard in good order.
	ReadAt time.Time `json:"readAt,omitzero"`
	// LagSeconds is how long the last change had been in the registry before it was read.
	LagSeconds  float64 `json:"lagSeconds"`
	Wakes       uint64  `json:"wakes"`
	IdleWakes   uint64  `json:"idleWakes"`
	Resets      uint64  `json:"resets"`
	Throttled   uint64  `json:"throttled"`
	Errors      uint64  `json:"errors"`
	Connections int     `json:"connections"`
}

// Held is what is served although the source says that it is gone.
type Held struct {
	// Reason is why, since Since; empty: nothing is held.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// LastGood is when the file was written that the state comes from; zero: it comes from the source.
	LastGood time.Time `json:"lastGood,omitzero"`
	// Endpoints are held of Total that are served.
	Endpoints  int           `json:"endpoints"`
	Total      int           `json:"total"`
	Services   []HeldService `json:"services,omitempty"`
	Workloads  int           `json:"workloads"`
	Nodes      int           `json:"nodes"`
	Namespaces int           `json:"namespaces"`
	// Policies are named as "<Kind> <namespace>/<name>".
	Policies []string `json:"policies,omitempty"`
	// Saved counts endpoints that were held and came back, Dead those that were held and were gone.
	Saved        uint64 `json:"saved"`
	Dead         uint64 `json:"dead"`
	Confirmed    uint64 `json:"confirmed"`
	Contradicted uint64 `json:"contradicted"`
}

// HeldService is a service of which something is held.
type HeldService struct {
	Name      string    `json:"name"`
	Endpoints int       `json:"endpoints"`
	Total     int       `json:"total"`
	Gone      bool      `json:"gone,omitempty"`
	Since     time.Time `json:"since,omitzero"`
}
