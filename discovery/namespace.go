package discovery

import "maps"

// Namespace is a namespace of a registry that knows them apart from what is in them.
type Namespace struct {
	Name   string
	Labels map[string]string
	// Terminating says that the registry is removing the namespace with all that is in it.
	Terminating bool
}

// Equal reports whether both describe the same state of the same namespace.
func (n *Namespace) Equal(other *Namespace) bool {
	if n == nil || other == nil {
		return n == other
	}
	return n.Name == other.Name && n.Terminating == other.Terminating && maps.Equal(n.Labels, other.Labels)
}
