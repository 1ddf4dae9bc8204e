package adsclient

import (
	"slices"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// responses have every field that there is, and none.
var responses = map[string]*discoveryv3.DeltaDiscoveryResponse{
	"empty":        {},
	"only a nonce": {Nonce: "n1"},
	"one resource": {
		TypeUrl: "type.googleapis.com/envoy.config.cluster.v3.Cluster", Nonce: "n2",
		Resources: []*discoveryv3.Resource{{
			Name: "outbound|80||cart.shop", Version: "v1", Resource: &anypb.Any{TypeUrl: "type", Value: []byte("\x0a\x00body")},
		}},
	},
	"every field": {
		SystemVersionInfo: "system", TypeUrl: "type", Nonce: "n3",
		Resources: []*discoveryv3.Resource{
			{Name: "a", Version: "v1"},
			{Name: "b", Aliases: []string{"c", "d"}, Ttl: durationpb.New(3), CacheControl: &discoveryv3.Resource_CacheControl{DoNotCache: true}},
			{},
		},
		RemovedResources:     []string{"gone", ""},
		RemovedResourceNames: []*discoveryv3.ResourceName{{Name: "named"}},
	},
}

// wanted is what the stock message says.
func wanted(data []byte, m *discoveryv3.DeltaDiscoveryResponse) Response {
	r := Response{TypeURL: m.GetTypeUrl(), Nonce: m.GetNonce(), Removed: m.GetRemovedResources(), Bytes: len(data)}
	for _, resource := range m.GetResources() {
		r.Resources = append(r.Resources, Named{Name: resource.GetName(), Version: resource.GetVersion()})
	}
	return r
}

func TestDecode(t *testing.T) {
	for name, message := range responses {
		t.Run(name, func(t *testing.T) {
			data, err := proto.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			want := wanted(data, message)
			for _, resource := range message.GetResources() {
				want.Bodies += proto.Size(resource)
			}
			got, err := decode(data, &Texts{})
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// FuzzDecode: what the stock decoder reads, ours reads too, and to the same.
func FuzzDecode(f *testing.F) {
	for _, message := range responses {
		data, err := proto.Marshal(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(slices.Concat(data, data))
		f.Add(data[:len(data)/2])
	}
	f.Add(protowire.AppendVarint(protowire.AppendTag(nil, 4, protowire.VarintType), 1)) // a type URL that is a number
	f.Add(protowire.AppendFixed64(protowire.AppendTag(nil, 99, protowire.Fixed64Type), 1))
	f.Add(protowire.AppendGroup(protowire.AppendTag(nil, 2, protowire.StartGroupType), 2, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decode(data, &Texts{})
		var message discoveryv3.DeltaDiscoveryResponse
		if proto.Unmarshal(data, &message) != nil {
			return // Ours looks at less, so that it may read this.
		}
		if err != nil {
			t.Fatal(err)
		}
		if got.Bodies > got.Bytes {
			t.Errorf("%d bytes of resources in %d", got.Bodies, got.Bytes)
		}
		got.Bodies = 0 // They are counted as they are encoded, which is not known of the message.
		if diff := cmp.Diff(wanted(data, &message), got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	data, err := proto.Marshal(responses["one resource"])
	if err != nil {
		t.Fatal(err)
	}
	resource := func(body string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), body)
	}
	for name, bad := range map[string][]byte{
		"cut short":             data[:len(data)-1],
		"no field":              {0},
		"half a tag":            {0x80},
		"a group without end":   {0x0b},
		"half a varint":         {0x08, 0x80},
		"a resource cut short":  resource("\x0a\x05v"),
		"a resource of garbage": resource("\xff"),
	} {
		if r, err := decode(bad, &Texts{}); err == nil {
			t.Errorf("%s: read %+v", name, r)
		}
	}
}
