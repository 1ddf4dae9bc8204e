package discovery

// Node is a machine of a registry. That one is gone or does not answer is news from the world, and no
// trouble with the registry: what ran there may be believed to be gone.
type Node struct {
	Name string
	// Ready says that the registry hears from the machine.
	Ready    bool
	Locality Locality
}

// Equal reports whether both describe the same state of the same machine.
func (n *Node) Equal(other *Node) bool {
	if n == nil || other == nil {
		return n == other
	}
	return *n == *other
}
