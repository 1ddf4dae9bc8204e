package ir

// MTLSMode says what an inbound port accepts.
type MTLSMode uint8

// The modes.
const (
	// Permissive accepts mesh mTLS and everything else; the default.
	Permissive MTLSMode = iota
	// Strict accepts mesh mTLS only.
	Strict
	// Disabled accepts plain connections only, and clients of the mesh send plain text.
	Disabled
)

var modeNames = [...]string{Permissive: "permissive", Strict: "strict", Disabled: "disabled"}

// String returns the lower-case name of the mode.
func (m MTLSMode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "unknown"
}

// MarshalText writes the name, so that values print readably.
func (m MTLSMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnknownDestinations says what happens to captured connections to addresses that no service has.
type UnknownDestinations uint8

// The choices.
const (
	// Allow passes them through untouched; the default.
	Allow UnknownDestinations = iota
	// Deny closes them.
	Deny
)

// String returns "allow" or "deny".
func (u UnknownDestinations) String() string {
	if u == Deny {
		return "deny"
	}
	return "allow"
}

// MarshalText writes the name, so that values print readably.
func (u UnknownDestinations) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
