package serve

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

func TestBoardKeepsWhatEachFinderSays(t *testing.T) {
	t.Parallel()
	b := newBoard()
	object := discovery.ObjectID{Kind: "Service", Namespace: "shop", Name: "cart"}
	b.setFiles(map[string][]discovery.Problem{
		"b.yaml": {{Location: "b.yaml:10", Message: "x"}, {Location: "b.yaml:9", Message: "y"}},
	}, nil)
	b.set(finderRules, map[discovery.ObjectID][]discovery.Problem{object: {{Object: object, Location: "a.yaml:3", Message: "z"}}})
	b.set(finderModel, map[discovery.ObjectID][]discovery.Problem{object: {{Object: object, Location: "a.yaml:1", Warning: true}}})
	var places []string
	for _, p := range b.all() {
		places = append(places, p.Location)
	}
	if got := strings.Join(places, " "); got != "a.yaml:1 a.yaml:3 b.yaml:9 b.yaml:10" {
		t.Errorf("order %s", got)
	}
	b.set(finderRules, map[discovery.ObjectID][]discovery.Problem{object: nil})
	b.setFiles(map[string][]discovery.Problem{"b.yaml": nil}, nil)
	if rest := b.forMetrics(); len(rest) != 1 || rest[0].File != "a.yaml" || rest[0].Line != "1" || !rest[0].Warning {
		t.Errorf("rest %+v", rest)
	}
}

func TestBoardSaysWhereAndTellsOnce(t *testing.T) {
	t.Parallel()
	b := newBoard()
	service := discovery.ObjectID{Kind: "Service", Namespace: "shop", Name: "cart"}
	rule := discovery.ObjectID{Kind: "ProxyConfig", Namespace: "shop", Name: "web"}
	b.setFiles(nil, map[discovery.ObjectID]string{service: "a.yaml:7", rule: "b.yaml:3"})
	first := map[discovery.ObjectID][]discovery.Problem{
		service: {{Object: service, Message: "one"}}, rule: {{Object: rule, Message: "two"}},
	}
	fresh := b.set(finderModel, first)
	if len(fresh) != 2 || fresh[0].Location != "a.yaml:7" || fresh[1].Location != "b.yaml:3" {
		t.Errorf("new: %+v", fresh)
	}
	if shown := b.forMetrics(); len(shown) != 2 || shown[1].File != "b.yaml" || shown[1].Line != "3" {
		t.Errorf("metrics: %+v", shown)
	}
	if shown := b.forDebug(); len(shown) != 2 || shown[0].Location != "a.yaml:7" {
		t.Errorf("debug: %+v", shown)
	}
	first[service] = append(first[service], discovery.Problem{Object: service, Message: "three"})
	if fresh = b.set(finderModel, first); len(fresh) != 1 || fresh[0].Message != "three" {
		t.Errorf("told again: %+v", fresh)
	}
}

func TestLogOfProblemsIsBounded(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	list := make([]discovery.Problem, maxLines+5)
	for i := range list {
		list[i] = discovery.Problem{Location: "a.yaml:7", Message: "is wrong", Warning: i > 0}
	}
	logProblems(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), list)
	if n := strings.Count(log.String(), "location=a.yaml:7"); n != maxLines || strings.Count(log.String(), "level=ERROR") != 1 {
		t.Errorf("%d lines of problems:\n%s", n, log.String())
	}
	if !strings.Contains(log.String(), "more problems\" problems=25") {
		t.Errorf("nothing says how many there are:\n%s", log.String())
	}
}
