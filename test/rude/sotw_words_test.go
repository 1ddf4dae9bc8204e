package rude

import (
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
)

// TestRequestsSayAllNames: every request of the state of the world says what the stream wants, and the rest as it was said.
func TestRequestsSayAllNames(t *testing.T) {
	said := names{}
	refused := refusal("a", "n")
	for _, step := range []struct {
		say  *discovery.DeltaDiscoveryRequest
		want *discovery.DiscoveryRequest
	}{
		{
			&discovery.DeltaDiscoveryRequest{TypeUrl: "a", ResourceNamesSubscribe: []string{"y", "x"}, InitialResourceVersions: map[string]string{"x": "1"}},
			&discovery.DiscoveryRequest{TypeUrl: "a", ResourceNames: []string{"x", "y"}, VersionInfo: "1"},
		},
		{
			&discovery.DeltaDiscoveryRequest{TypeUrl: "b", ResourceNamesSubscribe: []string{"z"}},
			&discovery.DiscoveryRequest{TypeUrl: "b", ResourceNames: []string{"z"}},
		},
		{
			&discovery.DeltaDiscoveryRequest{TypeUrl: "a", ResourceNamesSubscribe: []string{"z"}, ResourceNamesUnsubscribe: []string{"x"}},
			&discovery.DiscoveryRequest{TypeUrl: "a", ResourceNames: []string{"y", "z"}},
		},
		{refused, &discovery.DiscoveryRequest{TypeUrl: "a", ResourceNames: []string{"y", "z"}, ResponseNonce: "n", ErrorDetail: refused.ErrorDetail}},
	} {
		if diff := cmp.Diff(step.want, said.request(step.say), protocmp.Transform()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", step.say, diff)
		}
	}
	broken := &discovery.DeltaDiscoveryRequest{}
	broken.ProtoReflect().SetUnknown([]byte("\x12\xff"))
	if text, err := proto.Marshal(said.request(broken)); err != nil || string(text) != "\x12\xff" {
		t.Errorf("%q, error %v", text, err)
	}
}

func TestNameOf(t *testing.T) {
	body, err := proto.Marshal(&clusterv3.Cluster{Name: "outbound", AltStatName: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if got := nameOf(body); got != "outbound" {
		t.Errorf("the name is %q", got)
	}
	for _, none := range []string{"", "\x12\x01a", "\x0a\x05a", "\x08\x01", "\xff"} {
		if got := nameOf([]byte(none)); got != "" {
			t.Errorf("%q has the name %q", none, got)
		}
	}
}
