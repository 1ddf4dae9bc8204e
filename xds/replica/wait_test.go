package replica

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// told is an answer of a replica that is up, with the revisions that it published, as 1, 2, and so on.
func told(name string, revisions []string, proxies ...debug.Progress) Answer {
	report := &debug.Report{Replica: name, Started: start, Proxies: proxies}
	for i, id := range revisions {
		report.Revisions = append(report.Revisions, debug.Revision{ID: id, Publication: uint64(i + 1)})
	}
	return Answer{Status: Status{Name: name, State: StateUp, Revision: report.Latest()}, Report: report}
}

func at(name string, reached uint64, pending int, refused ...string) debug.Progress {
	p := debug.Progress{Name: name, Since: start, Reached: reached, Pending: pending}
	for _, r := range refused {
		p.Refused = append(p.Refused, debug.Refusal{Type: "cluster", ParkedInfo: server.ParkedInfo{Name: r}})
	}
	return p
}

func gone(name, state string) Answer {
	return Answer{Status: Status{Name: name, State: state, Error: "refused"}}
}

// spell says a verdict in a line.
func spell(v Verdict) string {
	parts := []string{v.State}
	for _, l := range v.Waiting {
		parts = append(parts, "waits for "+l.String())
	}
	for _, r := range v.Refused {
		parts = append(parts, r.Proxy+" at "+r.Replica+" refused "+r.Name)
	}
	return strings.Join(parts, "; ")
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []Answer
		want    string
	}{
		"nobody is connected": {[]Answer{told("a", []string{"r1", "r2"})}, "acknowledged"},
		"all have it": {
			[]Answer{told("a", []string{"r1", "r2"}, at("p", 2, 0)), told("b", []string{"r2"}, at("q", 1, 0))},
			"acknowledged",
		},
		"all have something later": {[]Answer{told("a", []string{"r1", "r2", "r3"}, at("p", 3, 0))}, "acknowledged"},
		"one has an earlier one": {
			[]Answer{told("a", []string{"r1", "r2"}, at("p", 1, 3), at("q", 2, 0))},
			"waiting; waits for p (replica a: has 3 to acknowledge)",
		},
		"one is not asked for it yet": {
			[]Answer{told("a", []string{"r1", "r2"}, at("p", 1, 0))},
			"waiting; waits for p (replica a: has 1 to acknowledge)",
		},
		"one is at its first exchange": {
			[]Answer{told("a", []string{"r1", "r2"}, at("p", 2, 7))},
			"waiting; waits for p (replica a: has 7 to acknowledge)",
		},
		"one refused a part": {
			[]Answer{told("a", []string{"r2"}, at("p", 1, 0, "c")), told("b", []string{"r2"}, at("q", 1, 0))},
			"refused; p at a refused c",
		},
		"one refused a part and one has not answered": {
			[]Answer{told("a", []string{"r2"}, at("p", 1, 0, "c"), at("q", 1, 1))},
			"waiting; waits for q (replica a: has 1 to acknowledge); p at a refused c",
		},
		"a replica has not read it": {
			[]Answer{told("a", []string{"r1", "r2"}), told("b", []string{"r1"}, at("q", 1, 0))},
			"waiting; waits for replica b (has read r1 last)",
		},
		"a replica has read nothing": {
			[]Answer{told("a", []string{"r2"}), told("b", nil)},
			"waiting; waits for replica b (has not read anything yet)",
		},
		"nobody knows it": {[]Answer{told("a", []string{"r1"})}, "waiting; waits for replica a (has read r1 last)"},
		"two changes came to a replica as one": {
			[]Answer{told("a", []string{"r1", "r2", "r3"}), told("b", []string{"r1", "r3"}, at("q", 2, 0), at("r", 1, 1))},
			"waiting; waits for r (replica b: has 1 to acknowledge)",
		},
		"it came back, and not everywhere": {
			[]Answer{told("a", []string{"r2", "r1", "r2"}, at("p", 1, 1)), told("b", []string{"r2", "r1"}, at("q", 2, 0))},
			"waiting; waits for p (replica a: has 1 to acknowledge)",
		},
		"a replica does not answer": {
			[]Answer{told("a", []string{"r2"}), gone("b", StateAway)},
			"waiting; waits for replica b (does not answer: refused)",
		},
		"a replica died": {[]Answer{told("a", []string{"r2"}), gone("b", StateEnded)}, "acknowledged"},
	} {
		if got := spell(newWaiter(Target{Revision: "r2", Past: true}).judge(test.answers)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestBusyProxyIsDoneOnce: who had all of it once has it, although more is always on its way; another stream does not.
func TestBusyProxyIsDoneOnce(t *testing.T) {
	t.Parallel()
	w := newWaiter(Target{Revision: "r2"})
	w.judge([]Answer{told("a", []string{"r2"}, at("p", 1, 0), at("q", 1, 1))})
	busy := []Answer{told("a", []string{"r2"}, at("p", 1, 4), at("q", 1, 0))}
	if got := spell(w.judge(busy)); got != "acknowledged" {
		t.Error(got)
	}
	busy[0].Report.Proxies[0].Since = start.Add(time.Second)
	if got := spell(w.judge(busy)); got != "waiting; waits for p (replica a: has 4 to acknowledge)" {
		t.Error(got)
	}
}

// TestChangeThatWasTakenBack: that a revision was there before is not enough for who waits for it now.
func TestChangeThatWasTakenBack(t *testing.T) {
	t.Parallel()
	at := func(a Answer, now time.Time, times ...time.Time) []Answer {
		a.Report.At = now
		for i := range times {
			a.Report.Revisions[i].At = times[i]
		}
		return []Answer{a}
	}
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	past, now := newWaiter(Target{Revision: "r1", Past: true}), newWaiter(Target{Revision: "r1"})
	before := at(told("a", []string{"r1", "r2"}), second(10), second(1), second(5))
	if got := spell(past.judge(before)); got != "acknowledged" {
		t.Errorf("it was there: %s", got)
	}
	for _, step := range []struct {
		answers []Answer
		want    string
	}{
		{before, "waiting; waits for replica a (has read r2 last)"},
		{at(told("a", []string{"r1", "r2", "r3"}), second(12), second(1), second(5), second(11)), "waiting; waits for replica a (has read r3 last)"},
		// It came and went again between two looks.
		{at(told("a", []string{"r1", "r2", "r3", "r1", "r4"}), second(16), second(1), second(5), second(11), second(13), second(15)), "acknowledged"},
		// So much has come since that nobody remembers it.
		{at(told("a", []string{"r8", "r9"}), second(60), second(50), second(55)), "acknowledged"},
	} {
		if got := spell(now.judge(step.answers)); got != step.want {
			t.Errorf("with %v: %s, want %s", step.answers[0].Report.Revisions, got, step.want)
		}
	}
	present := newWaiter(Target{Revision: "r2"})
	if got := spell(present.judge(before)); got != "acknowledged" {
		t.Errorf("it was there already: %s", got)
	}
}

// script answers one after the other, the last one for ever.
type script struct {
	answers [][]Answer
	errs    []error
	asked   int
}

func (s *script) ask(context.Context, bool) ([]Answer, error) {
	i := min(s.asked, len(s.answers)-1)
	s.asked++
	if i < len(s.errs) && s.errs[i] != nil {
		return nil, s.errs[i]
	}
	return s.answers[i], nil
}

func TestWaitAsksUntilItIsSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := told("a", []string{"r1"}, at("p", 1, 0))
		first.Report.Standing = "r2"
		s := &script{answers: [][]Answer{
			{first}, {told("a", []string{"r1", "r2"}, at("p", 1, 1))}, nil, {told("a", []string{"r1", "r2"}, at("p", 2, 0))},
		}, errs: []error{nil, nil, errors.New("restarting")}}
		var seen []string
		v, err := wait(t.Context(), s.ask, Target{}, func(v Verdict) { seen = append(seen, spell(v)) })
		if err != nil || v.State != RevisionAcknowledged || v.Revision != "r2" || v.Acknowledged != 1 || s.asked != 4 {
			t.Errorf("%+v after %d questions: %v", v, s.asked, err)
		}
		want := "waiting; waits for replica a (has read r1 last)\n" +
			"waiting; waits for p (replica a: has 1 to acknowledge)\n" +
			"waiting; waits for replica a (does not answer: restarting)"
		if got := strings.Join(seen, "\n"); got != want {
			t.Errorf("it told\n%s\nwant\n%s", got, want)
		}
	})
}

// TestWaitFollowsWhatStandsThere: a state that the server never reads, such as half of a file, is not waited for for ever.
func TestWaitFollowsWhatStandsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		half, whole, read := told("a", []string{"r1"}), told("a", []string{"r1"}), told("a", []string{"r1", "r3"}, at("p", 1, 0))
		half.Report.Standing, whole.Report.Standing, read.Report.Standing = "r2", "r3", "r4"
		s := &script{answers: [][]Answer{{half}, {whole}, {read}, {told("a", []string{"r1", "r3", "r4"}, at("p", 2, 0))}}}
		v, err := wait(t.Context(), s.ask, Target{}, func(Verdict) {})
		if err != nil || v.State != RevisionAcknowledged || v.Revision != "r3" || s.asked != 4 {
			t.Errorf("%+v after %d questions: %v", v, s.asked, err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := &script{answers: [][]Answer{{told("a", []string{"r1"})}}}
		v, err := wait(ctx, s.ask, Target{Revision: "r2"}, func(Verdict) {})
		if err != nil || v.State != RevisionWaiting || s.asked < 115 || s.asked > 135 {
			t.Errorf("%+v after %d questions: %v", v, s.asked, err)
		}
	})
}

func TestWaitNeedsARevision(t *testing.T) {
	t.Parallel()
	answer := told("a", []string{"r1"})
	answer.Report.Trouble = "no such folder"
	s := &script{answers: [][]Answer{{answer}}}
	if _, err := wait(t.Context(), s.ask, Target{}, nil); !errors.Is(err, ErrUnknownRevision) || !strings.Contains(err.Error(), "no such folder") {
		t.Errorf("error %v", err)
	}
	s.errs = []error{errors.New("nobody")}
	if _, err := wait(t.Context(), s.ask, Target{}, nil); err == nil {
		t.Error("it waits without having asked")
	}
}
