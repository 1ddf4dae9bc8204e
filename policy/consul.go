package policy

import "slices"

// ConsulSource is one Consul whose services belong to the mesh.
type ConsulSource struct {
	// Name is unique among the sources.
	Name string
	// Address is the URL of the HTTP API: scheme, host and port.
	Address string
	// TokenFile and CAFile are absolute paths; either may be empty.
	TokenFile, CAFile string
	// Datacenter, Namespace and Partition are asked for where they are not empty.
	Datacenter, Namespace, Partition string
	// Peers are those whose imported services count too, sorted by name.
	Peers []ConsulPeer
	// MeshNamespace is where the services appear; never empty.
	MeshNamespace string
}

// ConsulPeer is a peering, with the services that are read of it, sorted.
type ConsulPeer struct {
	Name     string
	Services []string
}

// Equal reports whether both are the same source, watched in the same way.
func (c *ConsulSource) Equal(other *ConsulSource) bool {
	return c.Name == other.Name && c.Address == other.Address && c.TokenFile == other.TokenFile && c.CAFile == other.CAFile &&
		c.Datacenter == other.Datacenter && c.Namespace == other.Namespace && c.Partition == other.Partition &&
		c.MeshNamespace == other.MeshNamespace && slices.EqualFunc(c.Peers, other.Peers, func(a, b ConsulPeer) bool {
		return a.Name == b.Name && slices.Equal(a.Services, b.Services)
	})
}
