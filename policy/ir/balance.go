package ir

// Balance says how the endpoints of an upstream are chosen among.
type Balance uint8

// The ways.
const (
	// LeastRequests weighs endpoints against each other by what they are busy with; the default.
	LeastRequests Balance = iota
	// ByWeight takes them in turn, so that each gets exactly what is due to its weight.
	ByWeight
)

// String returns "least-requests" or "by-weight".
func (b Balance) String() string {
	if b == ByWeight {
		return "by-weight"
	}
	return "least-requests"
}

// MarshalText writes the name, so that values print readably.
func (b Balance) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
