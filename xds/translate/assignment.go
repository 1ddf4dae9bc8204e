package translate

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// transportSocketMatch is where Envoy looks for what a cluster's transport socket matches name.
const transportSocketMatch = "envoy.transport_socket_match"

// Endpoints returns the assignment of an upstream, encoded by hand: it is what changes most often. It holds no names, which
// only a cluster itself can hold.
func Endpoints(e *ir.Endpoints) Resource {
	return Resource{Type: cache.Endpoints, Name: e.Name(), Body: AppendAssignment(nil, e)}
}

// Assignment returns the message that AppendAssignment encodes. It says nothing where it would say
// what Envoy assumes: healthy, and a weight of one.
func Assignment(e *ir.Endpoints) *endpointv3.ClusterLoadAssignment {
	out := &endpointv3.ClusterLoadAssignment{ClusterName: e.Name()}
	for i := range e.Groups {
		out.Endpoints = append(out.Endpoints, localityEndpoints(&e.Groups[i]))
	}
	return out
}

func localityEndpoints(g *ir.EndpointGroup) *endpointv3.LocalityLbEndpoints {
	out := &endpointv3.LocalityLbEndpoints{Priority: g.Priority, Locality: locality(groupLocality(g))}
	for i := range g.Endpoints {
		out.LbEndpoints = append(out.LbEndpoints, lbEndpoint(&g.Endpoints[i]))
	}
	for i := range g.Hosts {
		out.LbEndpoints = append(out.LbEndpoints, lbHost(&g.Hosts[i]))
	}
	if g.Mesh {
		out.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{transportSocketMatch: meshMatch()}}
	}
	return out
}

// plainSubZone marks the locality of a group in plain text. Envoy looks at the metadata of a group only when it makes a host, and
// makes one anew only when its locality differs: without the mark, a workload that begins or ends to speak mesh mTLS would be
// spoken to as before, and refuse it, until its cluster changes.
const plainSubZone = "plain"

// groupLocality is the locality that Envoy is told for a group.
func groupLocality(g *ir.EndpointGroup) discovery.Locality {
	l := g.Locality
	switch {
	case g.Mesh:
	case l.SubZone == "":
		l.SubZone = plainSubZone
	default:
		l.SubZone += "/" + plainSubZone
	}
	return l
}

func locality(l discovery.Locality) *corev3.Locality {
	if l == (discovery.Locality{}) {
		return nil
	}
	return &corev3.Locality{Region: l.Region, Zone: l.Zone, SubZone: l.SubZone}
}

func lbEndpoint(e *ir.Endpoint) *endpointv3.LbEndpoint {
	out := &endpointv3.LbEndpoint{
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address:             socketAddress(e.Address),
			AdditionalAddresses: additional(e.Additional),
		}},
		HealthStatus: healthStatus(e.Health),
	}
	if e.Weight > 1 {
		out.LoadBalancingWeight = number(e.Weight)
	}
	return out
}

func additional(addresses []netip.AddrPort) []*endpointv3.Endpoint_AdditionalAddress {
	var out []*endpointv3.Endpoint_AdditionalAddress
	for _, a := range addresses {
		out = append(out, &endpointv3.Endpoint_AdditionalAddress{Address: socketAddress(a)})
	}
	return out
}

func healthStatus(h discovery.Health) corev3.HealthStatus {
	switch h {
	case discovery.Degraded:
		return corev3.HealthStatus_DEGRADED
	case discovery.Unhealthy:
		return corev3.HealthStatus_UNHEALTHY
	case discovery.Draining:
		return corev3.HealthStatus_DRAINING
	default:
		return corev3.HealthStatus_UNKNOWN
	}
}
