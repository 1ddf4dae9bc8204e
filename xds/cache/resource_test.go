package cache

import (
	"bytes"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"
)

// TestResourceEncoding compares the chunks with what the stock marshaller writes.
func TestResourceEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := Type(rapid.IntRange(0, NumTypes-1).Draw(t, "type"))
		name := rapid.StringN(1, 40, -1).Draw(t, "name")
		body := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "body")
		r := NewResource(ResourceConfig{Type: typ, Name: name, Body: body})
		inner := &anypb.Any{TypeUrl: typ.URL(), Value: body}
		delta, err := proto.MarshalOptions{Deterministic: true}.Marshal(&discoveryv3.DeltaDiscoveryResponse{
			Resources: []*discoveryv3.Resource{{Name: name, Version: r.Version(), Resource: inner}},
		})
		if err != nil {
			t.Fatal(err)
		}
		world, err := proto.Marshal(&discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{inner}})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(delta, r.Chunk()) {
			t.Errorf("delta chunk\n got %x\nwant %x", r.Chunk(), delta)
		}
		if !bytes.Equal(world, r.AnyChunk()) {
			t.Errorf("state-of-the-world chunk\n got %x\nwant %x", r.AnyChunk(), world)
		}
		if !bytes.Equal(body, r.Body()) {
			t.Errorf("Body() = %x, want %x", r.Body(), body)
		}
	})
}

func TestVersionIsContent(t *testing.T) {
	a, b := resourceOf("a", "same"), resourceOf("b", "same")
	if a.Version() != b.Version() || len(a.Version()) != 11 {
		t.Errorf("versions %q and %q", a.Version(), b.Version())
	}
	if c := resourceOf("a", "other"); a.Equal(c) || c.Version() == a.Version() {
		t.Error("another content has the same version")
	}
}
