package translate_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

var protocols = []discovery.Protocol{
	discovery.Detect, discovery.HTTP, discovery.HTTP2, discovery.GRPC, discovery.TCP, discovery.TLS,
}

// bodies are the bytes of resources by what they are.
func bodies(t *rapid.T, resources []translate.Resource) map[cache.Ref][]byte {
	out := map[cache.Ref][]byte{}
	for _, r := range resources {
		body, err := translate.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		ref := cache.Ref{Type: r.Type, Name: r.Name}
		if out[ref] != nil {
			t.Fatalf("%s %s is made twice", r.Type, r.Name)
		}
		out[ref] = body
	}
	return out
}

// sameListeners fails where a listener that both have differs.
func sameListeners(t *rapid.T, before, after []translate.Resource) {
	was := bodies(t, before)
	for ref, body := range bodies(t, after) {
		if old, ok := was[ref]; ok && ref.Type == cache.Listener && !bytes.Equal(old, body) {
			t.Fatalf("listener %s has other bytes", ref.Name)
		}
	}
}

func TestPolicyEditTouchesNoOutboundListener(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := ir.Outbound{
			Name: "10.96.0.7_80", Address: netip.MustParseAddrPort("10.96.0.7:80"), Bound: rapid.Bool().Draw(t, "bound"),
			Service: discovery.ServiceID{Namespace: "shop", Name: "cart"}, Port: 80,
			Protocol: rapid.SampledFrom(protocols).Draw(t, "protocol"),
		}
		after := before
		after.IdleTimeout = time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "idle"))
		after.RequestRetries = rapid.Uint32Range(0, 9).Draw(t, "retries")
		sameListeners(t, translate.Outbound(&before), translate.Outbound(&after))
	})
}

// TestUnknownDestinationsTouchNoListener: what becomes of them is told by the cluster alone.
func TestUnknownDestinationsTouchNoListener(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		modes := rapid.Permutation([]ir.UnknownDestinations{ir.Allow, ir.Deny}).Draw(t, "modes")
		before, after := translate.Capture(ir.Capture{Unknown: modes[0]}), translate.Capture(ir.Capture{Unknown: modes[1]})
		sameListeners(t, before, after)
		was := bodies(t, before)
		changed := 0
		for ref, body := range bodies(t, after) {
			if !bytes.Equal(was[ref], body) {
				changed++
			}
			if was[ref] == nil {
				t.Fatalf("%s %s is another name", ref.Type, ref.Name)
			}
		}
		if changed != 1 {
			t.Fatalf("%d resources differ, not the cluster alone", changed)
		}
	})
}

func TestPortsOfAnExplicitProxyDoNotTouchEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawInbound(t, "before")
		after := drawInbound(t, "after")
		for i, p := range after.Ports {
			for _, q := range before.Ports {
				if p.Port == q.Port {
					after.Ports[i] = q
				}
			}
		}
		sameListeners(t, translate.Inbound(before), translate.Inbound(after))
	})
}

func TestEqualInputGivesEqualBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInbound(t, "inbound")
		in.Explicit = rapid.Bool().Draw(t, "explicit")
		first, second := bodies(t, translate.Inbound(in)), bodies(t, translate.Inbound(in))
		if len(first) != len(second) {
			t.Fatalf("%d and %d resources", len(first), len(second))
		}
		for ref, body := range first {
			if !bytes.Equal(body, second[ref]) {
				t.Fatalf("%s %s has other bytes the second time", ref.Type, ref.Name)
			}
		}
	})
}

// TestReferencesAreComplete: what a proxy has by itself names only what it has, too, and the secrets.
func TestReferencesAreComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInbound(t, "inbound")
		in.Explicit = rapid.Bool().Draw(t, "explicit")
		resources := append(translate.Inbound(in), translate.Capture(ir.Capture{})...)
		have := bodies(t, resources)
		for _, r := range resources {
			for _, ref := range r.Refs {
				if _, ok := have[ref]; !ok && ref.Type != cache.Secret {
					t.Fatalf("%s %s names %s %s, which nobody made", r.Type, r.Name, ref.Type, ref.Name)
				}
			}
		}
	})
}

func drawInbound(t *rapid.T, label string) *ir.Inbound {
	in := &ir.Inbound{TrustDomain: "cluster.local", Explicit: true, MaxConnectionDuration: time.Hour}
	numbers := rapid.SliceOfNDistinct(rapid.Uint16Range(8080, 8090), 0, 6, rapid.ID).Draw(t, label)
	for _, port := range numbers {
		in.Ports = append(in.Ports, ir.InboundPort{
			Listen: netip.MustParseAddr("10.0.0.1"), Port: port,
			Target:   netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port),
			Protocol: rapid.SampledFrom(protocols).Draw(t, "protocol"),
			Mode:     rapid.SampledFrom([]ir.MTLSMode{ir.Permissive, ir.Strict, ir.Disabled}).Draw(t, "mode"),
		})
	}
	return in
}
