package policy

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
	// Peers are those whose imported services count too, sorted.
	Peers []string
	// MeshNamespace is where the services appear; never empty.
	MeshNamespace string
}
