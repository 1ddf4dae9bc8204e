package kube

import (
	"net/netip"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// Kind is that of the source in its id.
const Kind = "kubernetes"

// The kinds that are read, as manifests name them.
const (
	kindService   = "Service"
	kindSlice     = "EndpointSlice"
	kindPod       = "Pod"
	kindNode      = "Node"
	kindNamespace = "Namespace"
	kindWorkload  = v1alpha1.KindWorkload
	// kindResource is that of problems with a whole kind, which they name as requests do.
	kindResource = "APIResource"
)

// key names an object; the namespace is empty for one that has none.
type key struct{ namespace, name string }

func (k key) object(kind string) discovery.ObjectID {
	return discovery.ObjectID{Kind: kind, Namespace: k.namespace, Name: k.name}
}

func serviceObject(id discovery.ServiceID) discovery.ObjectID {
	return discovery.ObjectID{Kind: kindService, Namespace: id.Namespace, Name: id.Name}
}

// usable reports whether something can be reached at the address from another machine, and the mesh may send there.
func usable(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && !addr.Is4In6() && addr.Zone() == ""
}
