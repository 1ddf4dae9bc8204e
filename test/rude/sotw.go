package rude

import (
	"maps"
	"slices"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
)

// stateOfTheWorld is a stream of that form.
type stateOfTheWorld struct {
	stream discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	names  names
}

// Send says the same as a delta request.
func (s *stateOfTheWorld) Send(r *discovery.DeltaDiscoveryRequest) error {
	return s.stream.Send(s.names.request(r))
}

// Recv returns a response with the names of its resources.
func (s *stateOfTheWorld) Recv() (*discovery.DeltaDiscoveryResponse, error) {
	r, err := s.stream.Recv()
	if err != nil {
		return nil, err
	}
	out := &discovery.DeltaDiscoveryResponse{TypeUrl: r.TypeUrl, Nonce: r.Nonce}
	for _, packed := range r.Resources {
		out.Resources = append(out.Resources, &discovery.Resource{Name: nameOf(packed.Value), Version: r.VersionInfo})
	}
	return out, nil
}

// names are those that a stream has asked for, by type: every request of the state of the world says them all.
type names map[string]map[string]bool

// request is a delta request in the other form. What the client says to have is one version there, true or not.
func (n names) request(r *discovery.DeltaDiscoveryRequest) *discovery.DiscoveryRequest {
	wanted := n[r.TypeUrl]
	if wanted == nil {
		wanted = map[string]bool{}
		n[r.TypeUrl] = wanted
	}
	for _, name := range r.ResourceNamesSubscribe {
		wanted[name] = true
	}
	for _, name := range r.ResourceNamesUnsubscribe {
		delete(wanted, name)
	}
	out := &discovery.DiscoveryRequest{
		TypeUrl: r.TypeUrl, Node: r.Node, ResourceNames: slices.Sorted(maps.Keys(wanted)),
		ResponseNonce: r.ResponseNonce, ErrorDetail: r.ErrorDetail,
	}
	for _, version := range r.InitialResourceVersions {
		out.VersionInfo = version
	}
	out.ProtoReflect().SetUnknown(r.ProtoReflect().GetUnknown())
	return out
}

// nameOf reads the first field, which is the name in every kind of resource; empty if there is none.
func nameOf(resource []byte) string {
	field, typ, n := protowire.ConsumeTag(resource)
	if n < 0 || field != 1 || typ != protowire.BytesType {
		return ""
	}
	name, n := protowire.ConsumeBytes(resource[n:])
	if n < 0 {
		return ""
	}
	return string(name)
}
