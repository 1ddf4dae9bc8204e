package discovery

import (
	"maps"
	"net/netip"
	"slices"
)

// Workload is one instance: a pod, a Consul instance or a machine.
type Workload struct {
	ID     WorkloadID
	Origin Origin
	// Addresses are sorted: IPv4 before IPv6, then by value. One at least.
	Addresses []netip.Addr
	Labels    map[string]string
	// ServiceAccount and the namespace make the workload's identity.
	ServiceAccount string
	Network        string
	Locality       Locality
	Health         Health
	// Sidecar says that an Envoy of the mesh stands before the instance. It is
	// declared, and does not change when that Envoy's stream comes or goes.
	Sidecar bool
	// Proxyless says that the instance is a gRPC program that speaks xDS and mesh mTLS itself. It excludes Sidecar.
	Proxyless bool
	// UID tells the instance from an earlier one of the same name; it may be empty.
	UID string
	// Node is the name of the machine that it runs on; it may be empty.
	Node string
	// HostNetwork says that the addresses are those of the machine, where others may be as well.
	HostNetwork bool
}

// InMesh reports whether the instance speaks mesh mTLS and takes configuration: by a sidecar or by itself.
func (w *Workload) InMesh() bool { return w.Sidecar || w.Proxyless }

// Equal reports whether both describe the same instance; Origin.Location takes no part.
func (w *Workload) Equal(other *Workload) bool {
	if w == nil || other == nil {
		return w == other
	}
	return w.ID == other.ID && w.Origin.Kind == other.Origin.Kind &&
		w.ServiceAccount == other.ServiceAccount && w.Network == other.Network &&
		w.Locality == other.Locality && w.Health == other.Health && w.Sidecar == other.Sidecar &&
		w.Proxyless == other.Proxyless && w.UID == other.UID && w.Node == other.Node && w.HostNetwork == other.HostNetwork &&
		slices.Equal(w.Addresses, other.Addresses) && maps.Equal(w.Labels, other.Labels)
}
