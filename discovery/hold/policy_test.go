package hold

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

func peer(name string) discovery.ObjectID {
	return discovery.ObjectID{Kind: "AuthenticationPolicy", Namespace: "shop", Name: name}
}

func strict(name string) *v1alpha1.AuthenticationPolicy {
	object := &v1alpha1.AuthenticationPolicy{}
	object.Name, object.Namespace = name, "shop"
	object.Spec.Peer.Mode = v1alpha1.MTLSStrict
	return object
}

// peers makes an update of "synced a b -c !": the state is complete, policies a and b are there, c is gone, and there is trouble.
func peers(words string) compile.Update {
	u := compile.Update{Source: testSource, Objects: compile.Objects{AuthenticationPolicies: map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy{}}}
	for word := range strings.FieldsSeq(words) {
		switch {
		case word == "synced":
			u.Synced = true
		case word == "!":
			u.Trouble = errors.New("no connection")
		case word[0] == '-':
			u.Objects.AuthenticationPolicies[peer(word[1:])] = nil
		default:
			u.Objects.AuthenticationPolicies[peer(word)] = strict(word)
		}
	}
	return u
}

func describePeers(u compile.Update) string {
	var words []string
	for _, id := range slices.SortedFunc(maps.Keys(u.Objects.AuthenticationPolicies), discovery.ObjectID.Compare) {
		words = append(words, map[bool]string{true: "-", false: ""}[u.Objects.AuthenticationPolicies[id] == nil]+id.Name)
	}
	return strings.Join(words, " ")
}

// TestPolicies plays steps to a PolicyKeeper. A step is the second at which it happens, what the source says ("due":
// time passes; "list a b": a second list), and what is sent; "?" at the end demands that a second list is asked for. What is
// said at 0 is the first whole state.
func TestPolicies(t *testing.T) {
	for name, steps := range map[string][][3]string{
		"a single deletion on a healthy watch passes": {{"0", "a b c", "a b c"}, {"1", "-a", "-a"}, {"60", "-b", "-b"}, {"90", "-c", "-c"}},
		"the only one passes as well":                 {{"0", "a", "a"}, {"1", "-a", "-a"}},
		"nothing is missing in trouble":               {{"0", "a b", "a b"}, {"1", "! -a -b", ""}, {"2", "! c", "c"}, {"3", "a b", ""}},
		"one that is gone is listed again too":        {{"0", "a b c", "a b c"}, {"1", "! -a", ""}, {"2", "", "?"}, {"3", "list b c", "-a"}},
		"one that is there still stays":               {{"0", "a b c", "a b c"}, {"1", "! -a", ""}, {"2", "", "?"}, {"3", "list a b c", ""}, {"33", "due", "?"}},
		"a mass after trouble is listed again":        {{"0", "a b c", "a b c"}, {"1", "! -a -b", ""}, {"2", "", "?"}, {"3", "list c", "-a -b"}},
		"a list that still has them keeps them": {
			{"0", "a b c", "a b c"}, {"1", "! -a -b", ""}, {"2", "", "?"}, {"3", "list a c", "-b"}, {"32", "due", "?"}, {"302", "due", "?"}, {"303", "due", "-a"},
		},
		"what goes after a list was asked for is for the next one": {
			{"0", "a b c d", "a b c d"},
			{"1", "!", ""},
			{"2", "", ""},
			{"3", "-a -b -c", "?"},
			{"4", "-d", ""},
			{"5", "list", "-a -b -c"},
			{"22", "due", ""},
			{"23", "due", "?"},
			{"24", "list", "-d"},
		},
		"lists take a tenth of the time": {
			{"0", "a b c d", "a b c d"},
			{"1", "!", ""},
			{"2", "", ""},
			{"3", "-a -b -c", "?"},
			{"7", "list a c", "-b"},
			{"33", "due", ""},
			{"42", "due", ""},
			{"43", "due", "?"},
			{"44", "list c", "-a"},
			{"72", "due", ""},
			{"73", "due", "?"},
		},
		"lists are two seconds apart": {
			{"0", "a b c d", "a b c d"},
			{"1", "!", ""},
			{"2", "", ""},
			{"3", "-a -b -c", "?"},
			{"3", "list d", "-a -b -c"},
			{"4", "-d", ""},
			{"5", "due", "?"},
			{"5", "list", "-d"},
		},
		"before the first state nothing is doubted": {{"1", "! a b c", "a b c"}, {"2", "", ""}, {"3", "synced -a -b", "-a -b"}, {"4", "a b d", "a b d"}, {"5", "-a -b -d", "-a -b -d"}},
		"the first state is told in trouble":        {{"1", "!", ""}, {"2", "! synced a b c", "a b c"}, {"3", "", ""}, {"4", "-a -b", "?"}},
		"a list that cannot be had lets nothing go": {
			{"0", "a b", "a b"},
			{"1", "!", ""},
			{"10", "-a -b", "?"},
			{"11", "list failed", ""},
			{"309", "due", "?"},
			{"310", "list failed", ""},
			{"311", "due", ""},
			{"340", "due", "?"},
			{"341", "list", "-a -b"},
		},
		"all of a kind at once are held on a healthy watch too": {{"0", "a b c", "a b c"}, {"1", "-a -b -c", "?"}, {"2", "list", "-a -b -c"}},
		"a definition is deleted object by object":              {{"0", "a b c", "a b c"}, {"1", "-a", "-a"}, {"1", "-b", "-b"}, {"1", "-c", "a b?"}, {"2", "!", ""}},
		"what went just before trouble is put back":             {{"0", "a b c", "a b c"}, {"1", "-a", "-a"}, {"2", "!", "a"}, {"100", "a", ""}},
		"what went long before trouble is not":                  {{"0", "a b c", "a b c"}, {"1", "-a", "-a"}, {"12", "!", ""}},
		"what was made again is not put back":                   {{"0", "a b c", "a b c"}, {"1", "-a", "-a"}, {"2", "a", "a"}, {"3", "!", ""}},
		"half a minute after trouble most may be deleted":       {{"0", "a b c d", "a b c d"}, {"1", "!", ""}, {"2", "", ""}, {"32", "-a -b -c", "-a -b -c"}},
	} {
		t.Run(name, func(t *testing.T) {
			keeper := NewPolicyKeeper(testSource, true)
			for _, step := range steps {
				seconds, err := time.ParseDuration(step[0] + "s")
				if err != nil {
					t.Fatal(err)
				}
				if step[0] == "0" {
					step[1] = "synced " + step[1]
				}
				if got := playPolicies(keeper, testStart.Add(seconds), step[1]); got != step[2] {
					t.Errorf("%s s: %q sends %q and should send %q", step[0], step[1], got, step[2])
				}
			}
		})
	}
}

func playPolicies(k *PolicyKeeper, now time.Time, step string) string {
	var out compile.Update
	var ask []string
	listed, isList := strings.CutPrefix(step, "list")
	switch {
	case step == "due":
		out, ask = k.Due(now)
	case listed == " failed":
		out = k.Confirmed(now, "AuthenticationPolicy", nil, errors.New("no answer"))
	case isList:
		var ids []discovery.ObjectID
		for name := range strings.FieldsSeq(listed) {
			ids = append(ids, peer(name))
		}
		out = k.Confirmed(now, "AuthenticationPolicy", ids, nil)
	default:
		out, ask = k.Apply(now, peers(step))
	}
	told := describePeers(out)
	if len(ask) > 0 {
		told += "?"
	}
	return told
}

// TestPolicyKindsAreApart loses one kind after trouble: the others are none of its business.
func TestPolicyKindsAreApart(t *testing.T) {
	keeper := NewPolicyKeeper(testSource, false)
	mesh := discovery.ObjectID{Kind: "MeshConfig", Name: "default"}
	first := peers("synced a b c d")
	first.Objects.MeshConfigs = map[discovery.ObjectID]*v1alpha1.MeshConfig{mesh: {}}
	keeper.Apply(testStart, first)
	keeper.Apply(testStart, peers("!"))
	lost := peers("")
	lost.Objects.MeshConfigs = map[discovery.ObjectID]*v1alpha1.MeshConfig{mesh: nil}
	if out, _ := keeper.Apply(testStart, lost); len(out.Objects.MeshConfigs) > 0 {
		t.Errorf("%v were sent", out.Objects.MeshConfigs)
	}
	out, _ := keeper.Apply(testStart.Add(Settle), peers("-a"))
	if got := describePeers(out); got != "-a" || len(out.Objects.MeshConfigs) > 0 {
		t.Errorf("%q and %v were sent", got, out.Objects.MeshConfigs)
	}
	if s := keeper.Status(); !slices.Equal(s.Policies, []discovery.ObjectID{mesh}) || s.Reason != Unconfirmed {
		t.Errorf("%v is held because of %q", s.Policies, s.Reason)
	}
}

// TestPolicyLocations says where objects stand, save of those that are held.
func TestPolicyLocations(t *testing.T) {
	keeper := NewPolicyKeeper(testSource, false)
	first := peers("a b")
	first.Objects.Locations = map[discovery.ObjectID]string{peer("a"): "a.yaml:1", peer("b"): "b.yaml:1"}
	if out, _ := keeper.Apply(testStart, first); len(out.Objects.Locations) != 2 {
		t.Errorf("locations were lost: %v", out.Objects.Locations)
	}
	gone := peers("! -a")
	gone.Objects.Locations = map[discovery.ObjectID]string{peer("a"): ""}
	if out, _ := keeper.Apply(testStart, gone); len(out.Objects.Locations) != 0 {
		t.Errorf("a held object was moved: %v", out.Objects.Locations)
	}
}

// TestPolicyProperties plays random histories: in trouble no policy goes, and in the end what was sent is what there is.
func TestPolicyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keeper := NewPolicyKeeper(testSource, rapid.Bool().Draw(t, "confirms"))
		now, trouble, synced, asked := testStart, "", false, false
		truth, seen := map[discovery.ObjectID]bool{}, map[discovery.ObjectID]bool{}
		take := func(u compile.Update) {
			for id, value := range u.Objects.AuthenticationPolicies {
				if value == nil && (u.Trouble != nil || !seen[id]) {
					t.Fatalf("%s goes, trouble: %v, was there: %t", id, u.Trouble, seen[id])
				}
				seen[id] = value != nil
			}
			for id, there := range truth {
				if there && !seen[id] {
					t.Fatalf("%s was lost", id)
				}
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				u, ask := keeper.Due(now)
				asked = asked || len(ask) > 0
				take(u)
			case 1:
				trouble = rapid.SampledFrom([]string{"", "!"}).Draw(t, "trouble")
			case 2:
				var ids []discovery.ObjectID
				for id, there := range truth {
					if there {
						ids = append(ids, id)
					}
				}
				if asked {
					take(keeper.Confirmed(now, "AuthenticationPolicy", ids, nil))
				}
				if asked && keeper.phase(now) != doubt && len(keeper.peers.askedFor()) > 0 {
					t.Fatalf("%v is held against a list", keeper.Status().Policies)
				}
				asked = false
			default:
				words := trouble
				if !synced && rapid.Bool().Draw(t, "synced") {
					words += " synced"
				}
				for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4, rapid.ID).Draw(t, "names") {
					if there := !truth[peer(name)]; there {
						words += " " + name
					} else {
						words += " -" + name
					}
					truth[peer(name)] = !truth[peer(name)]
				}
				u, ask := keeper.Apply(now, peers(words))
				asked = asked || len(ask) > 0
				take(u)
				if !synced && !u.Synced && keeper.phase(now) == wary {
					t.Fatal("the keeper is wary before there was anything to lose")
				}
				synced = synced || u.Synced
			}
		}
		u, _ := keeper.Apply(now, peers(""))
		take(u)
		u, _ = keeper.Due(now.Add(Patience))
		take(u)
		if !sameTrue(seen, truth) {
			t.Fatalf("in the end there is %v and should be %v: %+v", seen, truth, keeper.Status())
		}
	})
}

func sameTrue(a, b map[discovery.ObjectID]bool) bool {
	only := func(m map[discovery.ObjectID]bool) map[discovery.ObjectID]bool {
		kept := maps.Clone(m)
		maps.DeleteFunc(kept, func(_ discovery.ObjectID, there bool) bool { return !there })
		return kept
	}
	return maps.Equal(only(a), only(b))
}
