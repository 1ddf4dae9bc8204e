package translate_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/translate"
)

func TestAppendAssignmentIsWhatTheStockMarshallerWrites(t *testing.T) {
	rapid.Check(t, checkAppend)
}

func FuzzAppendAssignment(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(checkAppend))
}

func checkAppend(t *rapid.T) {
	e := drawEndpoints(t)
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(translate.Assignment(e))
	if err != nil {
		t.Fatal(err)
	}
	prefix := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "prefix")
	got := translate.AppendAssignment(bytes.Clone(prefix), e)
	if !bytes.Equal(got[:len(prefix)], prefix) {
		t.Fatalf("what was there before is changed: %x", got[:len(prefix)])
	}
	if !bytes.Equal(got[len(prefix):], want) {
		t.Fatalf("got  %x\nwant %x", got[len(prefix):], want)
	}
}

func drawEndpoints(t *rapid.T) *ir.Endpoints {
	name := rapid.StringMatching(`[a-z0-9-]{0,80}`)
	return &ir.Endpoints{
		Service: discovery.ServiceID{Namespace: name.Draw(t, "namespace"), Name: name.Draw(t, "name")},
		Port:    rapid.Uint16().Draw(t, "port"),
		Subset:  name.Draw(t, "subset"),
		Groups:  rapid.SliceOfN(rapid.Custom(drawGroup), 0, 4).Draw(t, "groups"),
	}
}

func drawGroup(t *rapid.T) ir.EndpointGroup {
	// Long names make lengths of two and three bytes.
	place := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.Just(strings.Repeat("z", 200)))
	return ir.EndpointGroup{
		Priority:  rapid.OneOf(rapid.Just(uint32(0)), rapid.Uint32()).Draw(t, "priority"),
		Mesh:      rapid.Bool().Draw(t, "mesh"),
		Locality:  discovery.Locality{Region: place.Draw(t, "region"), Zone: place.Draw(t, "zone"), SubZone: place.Draw(t, "sub zone")},
		Endpoints: rapid.SliceOfN(rapid.Custom(drawEndpoint), 0, 12).Draw(t, "endpoints"),
	}
}

func drawEndpoint(t *rapid.T) ir.Endpoint {
	return ir.Endpoint{
		Address:    drawAddress(t),
		Additional: rapid.SliceOfN(rapid.Custom(drawAddress), 0, 5).Draw(t, "additional"),
		Weight:     rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32()).Draw(t, "weight"),
		Health:     discovery.Health(rapid.IntRange(0, 4).Draw(t, "health")),
	}
}

func drawAddress(t *rapid.T) netip.AddrPort {
	raw := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 4, 4), rapid.SliceOfN(rapid.Byte(), 16, 16)).Draw(t, "address")
	address, _ := netip.AddrFromSlice(raw)
	if zone := rapid.SampledFrom([]string{"", "eth0", strings.Repeat("z", 150)}).Draw(t, "zone"); address.Is6() {
		address = address.WithZone(zone)
	}
	return netip.AddrPortFrom(address, rapid.Uint16().Draw(t, "port"))
}
