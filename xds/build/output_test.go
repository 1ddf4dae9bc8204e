package build

import (
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/cache"
)

// TestWhatCannotBeEncoded: a name that no message can carry is a problem of its object, and of no other.
func TestWhatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	b := New(Config{TrustDomain: "cluster.local"})
	var batch Batch
	for _, line := range []string{"service shop/cart ports=80/http", "service shop/b\xff ports=80/http"} {
		if err := parseCommand(line, &batch); err != nil {
			t.Fatal(err)
		}
	}
	c := b.Apply(batch)
	bad := discovery.ObjectID{Kind: "Service", Namespace: "shop", Name: "b\xff"}
	if len(c.Problems) != 1 || len(c.Problems[bad]) != 1 || c.Problems[bad][0].Reason != "Encoding" {
		t.Errorf("problems are %v, want one of %s", c.Problems, bad)
	}
	good := cache.Ref{Type: cache.Cluster, Name: "outbound|80||cart.shop"}
	for _, r := range c.Resources {
		if r.Ref == good && r.Resource != nil {
			return
		}
	}
	t.Errorf("%v is missing from %v", good, c.Resources)
}

// TestTellingOwnersAndGroups: every resource says what scopes choose by and which object it comes from.
func TestTellingOwnersAndGroups(t *testing.T) {
	t.Parallel()
	b := New(Config{TrustDomain: "cluster.local"})
	var batch Batch
	for _, line := range []string{
		"mesh default", "service shop/cart ports=80/http vips=10.0.0.1", "workload shop/one sidecar=true", "workload shop/two sidecar=true labels=app:two addresses=10.1.0.2",
		"proxy shop/two labels=app:two explicit=true egress=127.0.0.1:9000>shop/cart:80 ingress=8080>127.0.0.1:18080",
	} {
		if err := parseCommand(line, &batch); err != nil {
			t.Fatal(err)
		}
	}
	type marks struct{ group, owner string }
	want := map[string]marks{
		"outbound|80||cart.shop":  {"shop/cart", "Service shop/cart"},
		"10.0.0.1_80":             {"shop/cart", "Service shop/cart"},
		"outbound":                {"", "MeshConfig default"},
		"inbound":                 {"", ""},
		"inbound|8080":            {"", "ProxyConfig shop/two"},
		"explicit_127.0.0.1_9000": {"shop/cart", "ProxyConfig shop/two"},
	}
	for _, r := range b.Apply(batch).Resources {
		if w, ok := want[r.Ref.Name]; ok {
			if got := (marks{r.Resource.Group(), r.Resource.Owner()}); got != w {
				t.Errorf("%v is marked %+v, want %+v", r.Ref, got, w)
			}
			if r.Ref.Type != cache.Endpoints && r.Ref.Type != cache.Route {
				delete(want, r.Ref.Name)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
