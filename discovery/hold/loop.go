package hold

import (
	"context"
	"sync"
	"time"
)

const (
	// rereads bounds how many second reads are under way.
	rereads = 4
	// rereadTime bounds how long one takes.
	rereadTime = 10 * time.Second
)

// machine is a Keeper or a PolicyKeeper: U are its updates, Q what it asks to be read again.
type machine[U any, Q comparable] interface {
	Apply(now time.Time, update U) (U, []Q)
	Due(now time.Time) (U, []Q)
	Deadline(now time.Time) (time.Time, bool)
}

// loop is the goroutine around a machine. It has one update under way at a time: while nobody receives it, the source
// merges what changes, as every source does.
type loop[U any, Q comparable] struct {
	clock func() time.Time
	// source runs the source that is held.
	source func(ctx context.Context, out chan<- U) error
	// reread reads a second time, and returns how to tell the machine.
	reread func(ctx context.Context, what Q) (tell func(now time.Time) U)
	// news reports whether an update says anything that the one before did not.
	news func(update *U) bool
	// changed is called after every step, with the lock.
	changed func(now time.Time, news bool)

	mu      sync.Mutex
	machine machine[U, Q]
}

// run goes on until ctx ends or the source cannot go on. First, when not nil, is sent before everything else.
func (l *loop[U, Q]) run(ctx context.Context, out chan<- U, first *U) error {
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, ended := make(chan U), make(chan error, 1)
	group.Go(func() { ended <- l.source(ctx, in) })
	r := &rereader[U, Q]{loop: l, group: &group, told: make(chan func(time.Time) U, rereads)}
	timer := time.NewTimer(0)
	defer timer.Stop()
	pending := first
	for {
		r.start(ctx)
		var to chan<- U
		var update U
		from, told, due := in, r.told, timer.C
		if pending != nil {
			to, update, from, told, due = out, *pending, nil, nil, nil
		} else {
			l.arm(timer)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return err
		case to <- update:
			pending = nil
		case u := <-from:
			pending = l.step(r, func(now time.Time) (U, []Q) { return l.machine.Apply(now, u) })
		case tell := <-told:
			r.underWay--
			pending = l.step(r, func(now time.Time) (U, []Q) { return tell(now), nil })
		case <-due:
			pending = l.step(r, l.machine.Due)
		}
	}
}

// step moves the machine, and returns the update that follows; nil: none.
func (l *loop[U, Q]) step(r *rereader[U, Q], move func(now time.Time) (U, []Q)) *U {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	update, ask := move(now)
	r.add(ask)
	news := l.news(&update)
	l.changed(now, news)
	if !news {
		return nil
	}
	return &update
}

// arm sets the timer to when the machine has something to do.
func (l *loop[U, Q]) arm(timer *time.Timer) {
	l.mu.Lock()
	now := l.clock()
	at, some := l.machine.Deadline(now)
	l.mu.Unlock()
	if !some {
		timer.Stop()
		return
	}
	timer.Reset(max(at.Sub(now), 0))
}

// rereader has second reads made, a few at a time. It belongs to the goroutine of run.
type rereader[U any, Q comparable] struct {
	loop     *loop[U, Q]
	group    *sync.WaitGroup
	told     chan func(now time.Time) U
	queue    []Q
	queued   map[Q]struct{}
	underWay int
}

// add takes what is to be read, unless it waits already.
func (r *rereader[U, Q]) add(ask []Q) {
	for _, what := range ask {
		if _, waits := r.queued[what]; waits {
			continue
		}
		if r.queued == nil {
			r.queued = map[Q]struct{}{}
		}
		r.queued[what] = struct{}{}
		r.queue = append(r.queue, what)
	}
}

// start begins reads as long as there may be more. The channel has room for all of them.
func (r *rereader[U, Q]) start(ctx context.Context) {
	for len(r.queue) > 0 && r.underWay < rereads {
		what := r.queue[0]
		r.queue = r.queue[1:]
		delete(r.queued, what)
		r.underWay++
		r.group.Go(func() {
			limited, cancel := context.WithTimeout(ctx, rereadTime)
			defer cancel()
			r.told <- r.loop.reread(limited, what)
		})
	}
}
