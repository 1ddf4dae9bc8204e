package kube

import (
	"context"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// run is one Run; the goroutine of loop owns everything in it.
type run struct {
	config Config
	id     discovery.SourceID
	stats  *stats
	table  *table
	watch  *troubles
	// unknown are the kinds of which nothing was read yet; syncedSent says that the reader knows that there is none.
	unknown    map[string]bool
	syncedSent bool
	// noticed is when the first change was read that is not sent yet.
	noticed time.Time
}

func newRun(config Config, id discovery.SourceID, stats *stats) *run {
	r := &run{
		config: config, id: id, stats: stats, table: newTable(),
		watch: newTroubles(config.Logger), unknown: make(map[string]bool),
	}
	for _, kind := range policyKinds() {
		r.unknown[kind.name] = true
	}
	return r
}

func (r *run) loop(ctx context.Context, events <-chan event, out chan<- compile.Update) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := r.config.Clock()
		if end := r.watch.expire(now); !end.IsZero() {
			timer.Reset(end.Sub(now))
		}
		update, ready := r.pending()
		var to chan<- compile.Update
		if ready {
			to = out
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-events:
			r.take(e)
		case to <- update:
			r.sent(update)
		case <-timer.C:
		}
	}
}

// take takes in what a watcher tells.
func (r *run) take(e event) {
	now := r.config.Clock()
	switch e.what {
	case failed:
		r.fail(e)
		return
	case answered:
		if r.watch.answered() {
			r.stats.fresh(now)
		}
		return
	}
	if e.what == full {
		r.begin(e, now)
	}
	r.watch.advanced(e)
	news := r.table.take(e)
	if news && r.noticed.IsZero() {
		r.noticed = now
	}
	r.stats.heard(now, news)
}

// begin notes that a kind's whole state is known, and how it stands to what was known.
func (r *run) begin(e event, now time.Time) {
	if !r.unknown[e.kind.name] {
		r.stats.reset()
	}
	delete(r.unknown, e.kind.name)
	r.watch.began(e, now)
}

func (r *run) fail(e event) {
	if r.watch.isAbsent(e) {
		delete(r.unknown, e.kind.name)
		return
	}
	r.stats.failed(e.err)
	r.watch.failed(e)
}

// pending returns what the reader does not know yet, and whether there is anything.
func (r *run) pending() (compile.Update, bool) {
	update := compile.Update{Source: r.id}
	// Trouble is told before what came of it, also when it is over already: what goes missing right after it is to be doubted.
	if trouble := r.watch.untold; trouble != nil {
		update.Trouble = trouble
		return update, true
	}
	update.Trouble = r.watch.now()
	ready := errorText(update.Trouble) != r.watch.told
	if len(r.unknown) > 0 {
		return update, ready
	}
	update.Synced = !r.syncedSent
	var news bool
	update.Objects, update.Problems, news = r.table.pending()
	update.ReadAt = r.noticed
	return update, ready || update.Synced || news
}

// sent remembers what the reader knows now.
func (r *run) sent(update compile.Update) {
	alarm := r.watch.untold != nil
	r.watch.sent(update.Trouble)
	if alarm || len(r.unknown) > 0 {
		return
	}
	r.table.sent()
	r.syncedSent = true
	r.noticed = time.Time{}
}
