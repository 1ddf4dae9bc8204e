package replica

import (
	"fmt"
	"slices"
	"time"

	"outrigger.dev/outrigger/xds/debug"
)

// stream is one stream of one run of a replica.
type stream struct {
	run, proxy string
	since      time.Time
}

// waiter follows one revision. A stream that had all of it once has it for good: were it
// to be at rest whenever somebody looks, a busy mesh would never be done.
type waiter struct {
	Target
	done map[stream]bool
	// begun is when each run of a replica was first looked at, by its own clock; reached is the publication by which
	// it was found to have the revision.
	begun   map[string]time.Time
	reached map[string]uint64
}

func newWaiter(target Target) *waiter {
	return &waiter{Target: target, done: map[stream]bool{}, begun: map[string]time.Time{}, reached: map[string]uint64{}}
}

// judge says how far the revision is by what all replicas answer.
func (w *waiter) judge(answers []Answer) Verdict {
	v := Verdict{Revision: w.Revision, Waiting: []Lack{}, Refused: []Refused{}, Replicas: statuses(answers)}
	histories := w.histories(answers)
	for i := range answers {
		w.judgeReplica(&v, &answers[i], histories)
	}
	switch {
	case len(v.Waiting) > 0:
		v.State = RevisionWaiting
	case len(v.Refused) > 0:
		v.State = RevisionRefused
	default:
		v.State = RevisionAcknowledged
	}
	return v
}

func (w *waiter) judgeReplica(v *Verdict, a *Answer, histories map[string][]debug.Revision) {
	if a.State == StateEnded {
		return
	}
	if a.State != StateUp || a.Report == nil {
		v.Waiting = append(v.Waiting, Lack{Replica: a.Name, Why: "does not answer: " + a.Error})
		return
	}
	v.Errors = max(v.Errors, a.Report.Errors)
	v.Proxies += len(a.Report.Proxies)
	publication, ok := w.published(run(*a), histories)
	if !ok {
		v.Waiting = append(v.Waiting, Lack{Replica: a.Name, Why: notRead(a.Report)})
		return
	}
	for i := range a.Report.Proxies {
		w.judgeProxy(v, a, &a.Report.Proxies[i], publication)
	}
}

func notRead(r *debug.Report) string {
	if r.Latest() == "" {
		return "has not read anything yet"
	}
	return "has read " + r.Latest() + " last"
}

func (w *waiter) judgeProxy(v *Verdict, a *Answer, p *debug.Progress, publication uint64) {
	key := stream{run: run(*a), proxy: p.Name, since: p.Since}
	if p.Reached >= publication && p.Pending == 0 {
		w.done[key] = true
	}
	switch {
	case !w.done[key]:
		v.Waiting = append(v.Waiting, Lack{Proxy: p.Name, Replica: a.Name, Why: fmt.Sprintf("has %d to acknowledge", max(p.Pending, 1))})
	case len(p.Refused) > 0:
		for _, refusal := range p.Refused {
			v.Refused = append(v.Refused, Refused{Proxy: p.Name, Replica: a.Name, Refusal: refusal})
		}
	default:
		v.Acknowledged++
	}
}

// histories are the revisions of each run that count, the oldest first.
func (w *waiter) histories(answers []Answer) map[string][]debug.Revision {
	counting := map[string][]debug.Revision{}
	for _, a := range answers {
		if a.Report == nil {
			continue
		}
		key, list := run(a), a.Report.Revisions
		if _, seen := w.begun[key]; !seen {
			w.begun[key] = a.Report.At
		}
		// The one that was the last when it was first looked at counts too.
		first := slices.IndexFunc(list, func(r debug.Revision) bool { return !r.At.Before(w.begun[key]) })
		if first < 0 {
			first = len(list)
		}
		if !w.Past {
			list = list[max(first-1, 0):]
		}
		counting[key] = list
	}
	return counting
}

// published returns the publication by which a run is at the revision or past it. What was found once is
// not looked for again: histories are short.
func (w *waiter) published(key string, histories map[string][]debug.Revision) (publication uint64, ok bool) {
	if publication, ok = w.reached[key]; ok {
		return publication, true
	}
	if publication, ok = find(histories[key], w.Revision, histories); ok {
		w.reached[key] = publication
	}
	return publication, ok
}

// find returns the publication by which the revisions of a history are at one, or past it.
func find(history []debug.Revision, revision string, all map[string][]debug.Revision) (publication uint64, ok bool) {
	if i := last(history, revision); i >= 0 {
		return history[i].Publication, true
	}
	// Two changes may have come to this replica as one. Then the revision after it is there, and others know the order.
	for _, now := range history {
		for _, other := range all {
			if i := last(other, revision); i >= 0 && i < last(other, now.ID) {
				return now.Publication, true
			}
		}
	}
	return 0, false
}

// last returns the last place of a revision; -1 for none.
func last(list []debug.Revision, id string) int {
	for i, r := range slices.Backward(list) {
		if r.ID == id {
			return i
		}
	}
	return -1
}

// isRead reports whether the server that is asked has read the revision.
func (w *waiter) isRead(answers []Answer) bool {
	_, ok := w.reached[run(answers[0])]
	return ok
}

// follow goes on to what the source has now. What it had before was perhaps half of a file,
// which the server never takes for a state; what it has now holds all that was written before.
func (w *waiter) follow(answers []Answer, present bool) {
	now, err := standing(answers)
	if !present || err != nil || now == w.Revision {
		return
	}
	if _, read := find(w.histories(answers)[run(answers[0])], w.Revision, nil); read {
		return
	}
	w.Revision = now
	clear(w.reached)
	clear(w.done)
}
