package fault

// Mode is what a proxy does with all its connections, also with those that are open when it is set.
type Mode struct {
	kind  kind
	after int64 // bytes to the client
	rate  int   // bytes per second
}

type kind int

const (
	pass kind = iota
	cut
	hang
	reset
	slow
)

// Pass relays.
func Pass() Mode { return Mode{kind: pass} }

// Cut resets all connections, and refuses new ones. The proxy keeps its port.
func Cut() Mode { return Mode{kind: cut} }

// Hang leaves connections open and accepts new ones, but relays nothing, not
// even that an end has closed. What came meanwhile is relayed when the mode changes.
func Hang() Mode { return Mode{kind: hang} }

// ResetAfter resets each connection as soon as its client was sent bytes more bytes.
func ResetAfter(bytes int64) Mode { return Mode{kind: reset, after: bytes} }

// Slow relays at most so many bytes per second in each direction of each connection, at least one.
func Slow(bytesPerSecond int) Mode { return Mode{kind: slow, rate: max(1, bytesPerSecond)} }
