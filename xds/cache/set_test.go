package cache

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func resourceOf(name, body string) *Resource {
	return NewResource(ResourceConfig{Type: Cluster, Name: name, Body: []byte(body)})
}

// colliding returns a resource whose place in the trie is chosen by the test.
func colliding(name, body string, hash uint64) *Resource {
	r := resourceOf(name, body)
	r.hash = hash
	return r
}

func contents(s Set) map[string]string {
	out := map[string]string{}
	s.All(func(r *Resource) bool { out[r.name] = r.version; return true })
	return out
}

// TestSetEqualsMap compares a set with a plain map over random changes, and the
// difference of any two moments with the difference of the maps.
func TestSetEqualsMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set Set
		want := map[string]string{}
		sets, wants := []Set{set}, []map[string]string{{}}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			name := fmt.Sprintf("n%d", rapid.IntRange(0, 40).Draw(t, "name"))
			if rapid.Bool().Draw(t, "remove") {
				set = set.Without(name)
				delete(want, name)
			} else {
				r := resourceOf(name, rapid.StringN(0, 2, -1).Draw(t, "body"))
				set, want[name] = set.With(r), r.version
			}
			sets, wants = append(sets, set), append(wants, maps.Clone(want))
		}
		for i := range sets {
			if diff := cmp.Diff(wants[i], contents(sets[i])); diff != "" {
				t.Fatalf("set %d (-want +got):\n%s", i, diff)
			}
			if sets[i].Len() != len(wants[i]) {
				t.Fatalf("Len() = %d, want %d", sets[i].Len(), len(wants[i]))
			}
		}
		a := rapid.IntRange(0, len(sets)-1).Draw(t, "older")
		checkDiff(t, sets[a], sets[len(sets)-1], wants[a], want)
	})
}

func checkDiff(t *rapid.T, older, newer Set, was, is map[string]string) {
	got := map[string][2]string{}
	diffSets(older, newer, func(a, b *Resource) {
		var v [2]string
		if a != nil {
			v[0] = a.version
		}
		if b != nil {
			v[1] = b.version
		}
		if v[0] != v[1] {
			got[nameOf(a, b)] = v
		}
	})
	want := map[string][2]string{}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is))) {
		if was[name] != is[name] {
			want[name] = [2]string{was[name], is[name]}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("difference (-want +got):\n%s", diff)
	}
}

// TestSetForm says that the form depends on the content only: orders of change cannot reach the wire.
func TestSetForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 3, -1), 1, 50, rapid.ID).Draw(t, "names")
		var a, b Set
		for _, n := range names {
			a = a.With(resourceOf(n, n))
		}
		b = b.With(resourceOf("gone", "x"))
		for _, n := range rapid.Permutation(names).Draw(t, "order") {
			b = b.With(resourceOf(n, n))
		}
		if !slices.Contains(names, "gone") {
			b = b.Without("gone")
		}
		if diff := cmp.Diff(order(a), order(b)); diff != "" {
			t.Fatal(diff)
		}
		if form(a.root) != form(b.root) {
			t.Fatalf("two forms of one content:\n%s\n%s", form(a.root), form(b.root))
		}
	})
}

func order(s Set) (names []string) {
	s.All(func(r *Resource) bool { names = append(names, r.name); return true })
	return names
}

func form(n *node) string {
	if n == nil {
		return "-"
	}
	text := fmt.Sprintf("%x[", n.bitmap)
	for _, s := range n.slots {
		if s.leaf != nil {
			text += s.leaf.name + " "
		} else {
			text += form(s.node)
		}
	}
	return text + "]"
}

// TestSetCollisions drives names with one hash down to the last level and up again.
func TestSetCollisions(t *testing.T) {
	const hash = 0x1234567890abcdef
	var n *node
	for _, name := range []string{"c", "a", "b"} {
		n, _ = n.with(colliding(name, name, hash), 0)
	}
	n, _ = n.with(colliding("other", "x", hash^1<<63), 0)
	for _, name := range []string{"a", "b", "c"} {
		if r := n.get(hash, name); r == nil || r.name != name {
			t.Errorf("get(%q) = %v", name, r)
		}
	}
	if n.get(hash, "d") != nil {
		t.Error("found a name that is not there")
	}
	older := n
	for _, name := range []string{"b", "c"} {
		var gone bool
		if n, gone = n.without(hash, name, 0); !gone {
			t.Errorf("without(%q) found nothing", name)
		}
	}
	var removed []string
	diffNodes(older, n, 0, func(a, b *Resource) {
		if b == nil {
			removed = append(removed, a.name)
		}
	})
	slices.Sort(removed)
	if diff := cmp.Diff([]string{"b", "c"}, removed); diff != "" {
		t.Error(diff)
	}
	n, _ = n.without(hash^1<<63, "other", 0)
	if n.asSlot().leaf == nil {
		t.Errorf("a single resource does not stand alone: %s", form(n))
	}
}
