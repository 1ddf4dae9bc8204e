package problems_test

import (
	"testing"

	"outrigger.dev/outrigger/cmd/outrigger/internal/problems"
	"outrigger.dev/outrigger/discovery"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	var (
		service = discovery.ObjectID{Kind: "Service", Namespace: "shop", Name: "cart"}
		load    = discovery.ObjectID{Kind: "Workload", Namespace: "shop", Name: "web-1"}
		rule    = discovery.ObjectID{Kind: "ProxyConfig", Namespace: "shop", Name: "web"}
	)
	places := problems.NewPlaces()
	places.Note(map[discovery.ObjectID]string{service: "a.yaml:1", load: "b.yaml:2", rule: "c.yaml:3"})
	list := []discovery.Problem{
		{Object: service}, {Object: load}, {Object: rule}, {Object: rule, Location: "c.yaml:9"}, {Message: "of no object"},
	}
	check := func(want ...string) {
		t.Helper()
		for i, p := range places.Fill(list) {
			if p.Location != want[i] {
				t.Errorf("%s is at %q, want %q", p.Object, p.Location, want[i])
			}
		}
	}
	check("a.yaml:1", "b.yaml:2", "c.yaml:3", "c.yaml:9", "")
	if list[0].Location != "" {
		t.Error("the list itself was changed")
	}

	places.Note(map[discovery.ObjectID]string{service: "", load: "", rule: "c.yaml:4"})
	check("", "", "c.yaml:4", "c.yaml:9", "")
}
