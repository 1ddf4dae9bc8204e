package discovery

import (
	"cmp"
	"fmt"
	"strings"
)

// SourceID names one configured source: its kind ("file", "kubernetes",
// "consul") and the cluster or datacenter that it watches.
type SourceID struct {
	Kind string
	Name string
}

// String returns "<kind>/<name>".
func (id SourceID) String() string { return id.Kind + "/" + id.Name }

// ServiceID names a service within the mesh.
type ServiceID struct {
	Namespace string
	Name      string
}

// String returns "<namespace>/<name>".
func (id ServiceID) String() string { return id.Namespace + "/" + id.Name }

// Host returns "<name>.<namespace>", the form that resource names carry.
func (id ServiceID) Host() string { return id.Name + "." + id.Namespace }

// Compare orders by namespace, then by name.
func (id ServiceID) Compare(other ServiceID) int {
	return cmp.Or(strings.Compare(id.Namespace, other.Namespace), strings.Compare(id.Name, other.Name))
}

// ShardID names the part of a service's endpoints that one source gives.
type ShardID struct {
	Service ServiceID
	Source  SourceID
}

// String returns "<namespace>/<name>@<kind>/<source>".
func (id ShardID) String() string { return id.Service.String() + "@" + id.Source.String() }

// WorkloadID names one running instance. Cluster is empty while there is only one.
type WorkloadID struct {
	Cluster   string
	Namespace string
	Name      string
}

// String returns "<namespace>/<name>", with "<cluster>/" before it when it is set.
// Without a cluster it is the node id of the workload's proxy.
func (id WorkloadID) String() string {
	if id.Cluster == "" {
		return id.Namespace + "/" + id.Name
	}
	return id.Cluster + "/" + id.Namespace + "/" + id.Name
}

// Compare orders by cluster, then namespace, then name.
func (id WorkloadID) Compare(other WorkloadID) int {
	return cmp.Or(
		strings.Compare(id.Cluster, other.Cluster),
		strings.Compare(id.Namespace, other.Namespace),
		strings.Compare(id.Name, other.Name),
	)
}

// Origin says which object of the user's a value was read from, so that
// whatever is found wrong with it later can be shown there.
type Origin struct {
	// Kind is the object's kind, such as "Service" or "Workload".
	Kind string
	// Location is where the object stands: "mesh.yaml:12" for a file,
	// the resource version or index for a registry. It may be empty and
	// takes no part in equality.
	Location string
}

// ObjectID names an object of the user's: what problems, owners of resources and statuses refer to.
type ObjectID struct {
	Kind      string
	Namespace string
	Name      string
}

// String returns "<Kind> <namespace>/<name>", or "<Kind> <name>" for an object without a namespace.
func (id ObjectID) String() string {
	if id.Namespace == "" {
		return fmt.Sprintf("%s %s", id.Kind, id.Name)
	}
	return fmt.Sprintf("%s %s/%s", id.Kind, id.Namespace, id.Name)
}

// Compare orders by kind, then namespace, then name.
func (id ObjectID) Compare(other ObjectID) int {
	return cmp.Or(
		strings.Compare(id.Kind, other.Kind),
		strings.Compare(id.Namespace, other.Namespace),
		strings.Compare(id.Name, other.Name),
	)
}
