package consul

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAssign(t *testing.T) {
	labels, clashes := assign([]name{
		{"cart", ""},
		{"Cart", ""},
		{"team/cart", ""},
		{"my cart", ""},
		{"купить", ""},
		{"cart", "west"},
		{"cart-west", ""},
		{strings.Repeat("x", 80), ""},
		{"-a-", ""},
	})
	want := map[name]string{
		{"cart", ""}: "cart", {"cart-west", ""}: "cart-west",
		// A service of a peer gives way to one of the datacenter itself.
		{"cart", "west"}: "cart-west-b3aff94fbc9e1a76",
		{"Cart", ""}:     "cart-6d2d59", {"team/cart", ""}: "team-cart-7daebe", {"my cart", ""}: "my-cart-023e34",
		{"купить", ""}: "service-8554b0", {"-a-", ""}: "a-a75a46", {strings.Repeat("x", 80), ""}: strings.Repeat("x", 56) + "-d929cd",
	}
	for n, label := range want {
		if labels[n] != label {
			t.Errorf("%s is %q, not %q", n, labels[n], label)
		}
	}
	if len(clashes) != 1 || clashes[0] != (clash{loser: name{"cart", "west"}, winner: name{"cart-west", ""}}) {
		t.Errorf("the clashes are %v", clashes)
	}
}

// anyName draws names that are likely to clash.
func anyName(t *rapid.T) name {
	return name{
		service: rapid.StringMatching(`[aAb/ é-]{1,3}|.{1,70}`).Draw(t, "service"),
		peer:    rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "peer"),
	}
}

// All names get labels, no two the same, whatever the order; those that are labels keep theirs.
func TestAssignIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.Custom(anyName), 0, 30, func(n name) name { return n }).Draw(t, "names")
		labels, _ := assign(names)
		again, _ := assign(rapid.Permutation(names).Draw(t, "again"))
		if !maps.Equal(labels, again) {
			t.Fatalf("%v and %v", labels, again)
		}
		used := make(map[string]name)
		for _, n := range names {
			label := labels[n]
			if other, taken := used[label]; taken || !isLabel(label) {
				t.Fatalf("%s has %q, which is no label or also that of %s", n, label, other)
			}
			if used[label] = n; n.peer == "" && isLabel(n.service) && label != n.service {
				t.Fatalf("%s is %q", n, label)
			}
		}
	})
}

func TestWorkloadName(t *testing.T) {
	for _, test := range []struct{ node, id, peer, want string }{
		{"web-1", "cart-1", "", "web-1.cart-1"},
		{"web-1.example.com", "cart-1", "", "web-1.example.com.cart-1"},
		{"web-1", "cart.1", "", "web-1.cart.1-3c7ce75b"},
		{"web-1.cart", "1", "", "web-1.cart.1"},
		{"web-1", "cart-1", "west", "web-1.cart-1-1c28a646"},
		{"Web_1", "_nomad-task-7:http", "", "web-1.nomad-task-7-http-98b156fa"},
	} {
		if got := workloadName(instanceKey{test.node, test.id}, test.peer); got != test.want || !isDNS(got) {
			t.Errorf("%s on %s of %q is %q, not %q", test.id, test.node, test.peer, got, test.want)
		}
	}
}

// No two instances have the same name.
func TestWorkloadNamesDiffer(t *testing.T) {
	part := rapid.StringMatching(`[ab.-]{1,4}`)
	key := rapid.Custom(func(t *rapid.T) instanceKey { return instanceKey{part.Draw(t, "node"), part.Draw(t, "id")} })
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(key, 2, 40, func(k instanceKey) instanceKey { return k }).Draw(t, "keys")
		used := make(map[string]instanceKey)
		for _, k := range keys {
			text := workloadName(k, "")
			if other, taken := used[text]; taken {
				t.Fatalf("%s and %s are both %q", k, other, text)
			}
			used[text] = k
		}
	})
}

func TestIsHost(t *testing.T) {
	for _, good := range []string{"db.example.com", "db", "DB.example.com.", "a_b.c", "1a.2"} {
		if !isHost(good) {
			t.Errorf("%q is no name", good)
		}
	}
	for _, bad := range []string{"", "-", ".", "a..b", "-a.b", "10.0.0", "10.0.0.300", "a b", "ä.com", "[::1]", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "b"} {
		if isHost(bad) {
			t.Errorf("%q is a name", bad)
		}
	}
}
