package policy

import (
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// Peer is who answers at an endpoint.
type Peer struct {
	// Mesh says that the endpoint is spoken to by mesh mTLS; otherwise in plain text.
	Mesh bool
	// Identity is the SPIFFE id that a Mesh peer has to show.
	Identity string
}

// PeerOf says who answers at a port of the workload where clients meet the mode (ClientMode). No workload, one
// outside the mesh, and a port where mTLS is disabled are plain.
func PeerOf(w *discovery.Workload, mode ir.MTLSMode, trustDomain string) Peer {
	if w == nil || !w.InMesh() || mode == ir.Disabled {
		return Peer{}
	}
	return Peer{Mesh: true, Identity: SPIFFEID(trustDomain, w)}
}

// SPIFFEID returns the identity of a workload, "spiffe://<trust domain>/ns/<namespace>/sa/<service account>".
func SPIFFEID(trustDomain string, w *discovery.Workload) string {
	return "spiffe://" + trustDomain + "/ns/" + w.ID.Namespace + "/sa/" + w.ServiceAccount
}

// ResolveUpstream returns the upstream of a service's port, whose endpoints are the peers.
func ResolveUpstream(svc *discovery.Service, port discovery.ServicePort, peers ir.Peers) *ir.Upstream {
	return &ir.Upstream{
		Service:               svc.ID,
		Port:                  port.Port,
		Protocol:              port.Protocol,
		Peers:                 peers,
		ConnectTimeout:        ConnectTimeout,
		IdleTimeout:           UpstreamIdleTimeout,
		MaxConnectionDuration: MaxConnectionDuration,
		PanicThreshold:        PanicThreshold,
		Ejection:              defaultEjection(),
		Balance:               balance(svc),
	}
}

// balance keeps to weights where a share depends on them.
func balance(svc *discovery.Service) ir.Balance {
	if svc.Join != nil && svc.Join.Share != nil {
		return ir.ByWeight
	}
	return ir.LeastRequests
}
