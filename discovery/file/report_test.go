package file

import (
	"log/slog"
	"slices"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

// counts is an observer that remembers how many problems it was told of.
type counts []int

func (c *counts) Problems(_ string, problems []discovery.Problem) { *c = append(*c, len(problems)) }

func (c *counts) Trouble(error) {}

// TestProblemsThatNobodyReceived are told, and so is their end; and those that the reader has, when they come again.
func TestProblemsThatNobodyReceived(t *testing.T) {
	m := newMesh(discovery.SourceID{Kind: "file", Name: "test"})
	var told counts
	r := newReport(slog.New(slog.DiscardHandler), &told)
	say := func(problems ...discovery.Problem) {
		m.report("a.yaml", problems)
		r.problems(m, m.settle())
	}
	wrong := discovery.Problem{Location: "a.yaml:1", Message: "wrong"}
	say(wrong)
	say(wrong)
	say()
	say(wrong)
	m.commit()
	say()
	say(wrong)
	if want := (counts{1, 0, 1, 0, 1}); !slices.Equal(told, want) {
		t.Errorf("the numbers of problems that were told are %v, not %v", told, want)
	}
}
