package consul

import (
	"context"
	"time"
)

const (
	// sweepParallel is how many services are read together.
	sweepParallel = 8
	// sweepRest is how long nothing is swept after a sweep, in times of what that took.
	sweepRest = 9
	// sweepAgain is when all is looked at a second time: another server than the one that told of a change may have answered.
	sweepAgain = 2 * time.Second
)

// sweeper reads services over connections that carry one query each, of which Consul allows few. Two queries block: what the
// one for all checks tells names the services that changed, and these are read at once. The one for the catalog only tells
// that some service changed, in what no check shows: then all are read, a tenth of the time at most. The goroutine of loop owns it.
type sweeper struct {
	run *run
	// queue are the services to be read, in order; wanted holds for each the index that its answer should have passed, 0: any.
	queue  []name
	wanted map[name]uint64
	// reading is how many are read now, and done tells that one was.
	reading int
	done    chan *watch
	// checks are those of the last answer, with its index; catalogIndex is that of the catalog's.
	checks                    checks
	checksIndex, catalogIndex uint64
	// began is when the sweep began that is not over, zero: there is none. At sweepAt the next one is due, zero: none.
	// It begins at notBefore at the earliest. Repeat says that the one that goes on is to be followed by a second look.
	began, sweepAt, notBefore time.Time
	repeat                    bool
}

func newSweeper(r *run) *sweeper {
	return &sweeper{run: r, wanted: make(map[name]uint64), done: make(chan *watch)}
}

// add asks for a service to be read. Fresh is the index that the answer should have passed.
func (s *sweeper) add(n name, fresh uint64) {
	if before, queued := s.wanted[n]; queued {
		s.wanted[n] = max(before, fresh)
		return
	}
	s.wanted[n] = fresh
	s.queue = append(s.queue, n)
}

// next starts reads as long as there is room.
func (s *sweeper) next(ctx context.Context, now time.Time) {
	if due := s.due(); !due.IsZero() && !due.After(now) {
		s.began, s.sweepAt = now, time.Time{}
		for n := range s.run.watches {
			s.add(n, 0)
		}
	}
	for s.reading < sweepParallel && len(s.queue) > 0 {
		n := s.queue[0]
		fresh := s.wanted[n]
		s.queue = s.queue[1:]
		delete(s.wanted, n)
		if running := s.run.watches[n]; running != nil && !running.busy {
			running.busy = true
			s.start(ctx, running, fresh)
		} else if running != nil {
			running.again, running.fresh = true, max(running.fresh, fresh)
		}
	}
	if len(s.queue) == 0 && s.reading == 0 && !s.began.IsZero() {
		s.end(now)
	}
}

// start reads one service.
func (s *sweeper) start(ctx context.Context, w *running, fresh uint64) {
	s.reading++
	s.run.group.Go(func() error {
		_ = w.read(fresh) // What is wrong was told; what was dropped meanwhile is of no interest.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s.done <- w.watch:
			return nil
		}
	})
}

// ended takes note that a service was read.
func (s *sweeper) ended(w *watch) {
	s.reading--
	running := s.run.watches[w.id.name]
	if running == nil || running.watch != w {
		return
	}
	running.busy = false
	if running.again {
		s.add(w.id.name, running.fresh)
		running.again, running.fresh = false, 0
	}
}

// end takes note that a sweep is over, and plans the second look.
func (s *sweeper) end(now time.Time) {
	s.notBefore = now.Add(sweepRest * now.Sub(s.began))
	s.began = time.Time{}
	if s.repeat {
		s.repeat = false
		s.plan(now.Add(sweepAgain))
	}
}

// plan asks for a sweep.
func (s *sweeper) plan(at time.Time) {
	if s.sweepAt.IsZero() || at.Before(s.sweepAt) {
		s.sweepAt = at
	}
}

// due is when there is something to do though nothing happens; zero: never.
func (s *sweeper) due() time.Time {
	switch {
	case s.sweepAt.IsZero() || !s.began.IsZero():
		return time.Time{}
	case s.sweepAt.Before(s.notBefore):
		return s.notBefore
	}
	return s.sweepAt
}

// catalog takes an answer of the catalog: when its index moved something is to be read. What failed is tried again, and
// services of peers are read, which neither the catalog nor the checks tell of.
func (s *sweeper) catalog(index uint64, now time.Time) {
	if s.catalogIndex != 0 && index != s.catalogIndex {
		s.plan(now)
		s.repeat = true
	}
	s.catalogIndex = index
	for id := range s.run.troubles.watches {
		if id.kind == kindHealth && s.run.watches[id.name] != nil {
			s.add(id.name, 0)
		}
	}
	for _, n := range s.run.config.peerNames() {
		s.add(n, 0)
	}
}

// take takes an answer of the checks, and asks for what changed since the last one.
func (s *sweeper) take(next checks, index uint64) {
	nodes := make(map[string]bool)
	diffChecks(s.checks, next, func(c *check) {
		if c.ServiceName == "" {
			nodes[c.Node] = true
		} else if n := (name{service: c.ServiceName}); s.run.watches[n] != nil {
			s.add(n, s.checksIndex)
		}
	})
	if len(nodes) > 0 {
		s.addNodes(nodes)
	}
	s.checks, s.checksIndex = next, index
}

// addNodes asks for the services that have instances on nodes.
func (s *sweeper) addNodes(nodes map[string]bool) {
	for n, state := range s.run.mesh.services {
		for _, i := range state.instances {
			if nodes[i.key.node] && state.wanted {
				s.add(n, s.checksIndex)
				break
			}
		}
	}
}

// checkDecoder reads all checks.
type checkDecoder struct{ last checks }

func (d *checkDecoder) decode(body []byte) (payload, error) { return decodeChecks(body) }

// A check that is hidden takes nothing away: the service is read, and what is hidden there is told.
func (d *checkDecoder) compare(p payload) (shrinks, same bool) {
	next, _ := p.(checks)
	same = true
	diffChecks(d.last, next, func(*check) { same = false })
	return false, same
}

func (d *checkDecoder) accept(p payload, _ bool) { d.last, _ = p.(checks) }
