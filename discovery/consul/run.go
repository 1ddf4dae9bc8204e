package consul

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"outrigger.dev/outrigger/discovery"
)

// run is one Run; the goroutine of loop owns everything in it that is not shared.
type run struct {
	source *Source
	*shared
	mesh     *mesh
	troubles *troubles
	group    *errgroup.Group
	incoming <-chan news
	// watches are those of services.
	watches map[name]*running
	random  *rand.Rand
	// sweeper reads services where connections do not carry many queries; nil elsewhere and until that is known.
	sweeper *sweeper
	// begun says that the catalog was read once.
	begun bool

	// owed is trouble that began and ended while nobody received: it is told all the same, before what came with it.
	owed    error
	owedKey string
	// syncedSent and troubleSent are what the reader knows.
	syncedSent  bool
	troubleSent string
	// readAt is when the first of the changes was read that are not sent yet.
	readAt time.Time
}

// running is a watch and what ends it.
type running struct {
	*watch
	cancel context.CancelFunc
	// read reads once. Of a watch that the sweeper reads: busy says that it is read now, again that it is to be read once more
	// after that, with an answer that passed the index fresh.
	read        func(fresh uint64) error
	busy, again bool
	fresh       uint64
}

// maxTaken is how many news are merged before what changed is built.
const maxTaken = 1000

func (r *run) loop(ctx context.Context, out chan<- discovery.Update) error {
	catalog := r.watch(watchID{kind: kindCatalog}, r.config.Heartbeat, &catalogDecoder{})
	r.group.Go(func() error {
		if err := r.findHome(ctx, catalog); err != nil {
			return err
		}
		return catalog.run(ctx)
	})
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		r.settle(timer)
		update, ready := r.pending()
		var to chan<- discovery.Update
		if ready {
			to = out
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case to <- update:
			r.sent(update)
		case n := <-r.incoming:
			r.take(ctx, n)
			r.takeMore(ctx)
		case w := <-r.fetched():
			r.sweeper.ended(w)
		case <-timer.C:
		}
		if r.sweeper != nil {
			r.sweeper.next(ctx, r.config.Clock())
		}
	}
}

// fetched tells that the sweeper's reads ended; nil without one.
func (r *run) fetched() <-chan *watch {
	if r.sweeper == nil {
		return nil
	}
	return r.sweeper.done
}

// takeMore merges the news that wait already.
func (r *run) takeMore(ctx context.Context) {
	for range maxTaken {
		select {
		case n := <-r.incoming:
			r.take(ctx, n)
		default:
			return
		}
	}
}

// take merges what a watch tells. One that was ended meanwhile has nothing to say.
func (r *run) take(ctx context.Context, n news) {
	if n.from.id.kind == kindHealth && (r.watches[n.from.id.name] == nil || r.watches[n.from.id.name].watch != n.from) {
		return
	}
	r.note(n)
	if n.payload != nil && r.readAt.IsZero() {
		r.readAt = n.readAt
	}
	now := r.config.Clock()
	switch p := n.payload.(type) {
	case catalog:
		r.begin(ctx, n.multiplexed)
		r.list(ctx, slices.Concat(p, r.config.peerNames()), n.partial)
	case instances:
		r.mesh.put(n.from.id.name, p, n.partial, now)
	case checks:
		r.sweeper.take(p, n.index)
	}
	if n.from.id.kind == kindCatalog && n.err == nil {
		r.mesh.confirm(now)
		if r.sweeper != nil {
			r.sweeper.catalog(n.index, now)
		}
	}
}

// begin decides with the first answer how services are read.
func (r *run) begin(ctx context.Context, multiplexed bool) {
	if r.begun {
		return
	}
	r.begun = true
	if multiplexed {
		return
	}
	r.config.Logger.Info("consul speaks HTTP/1.1 here: services are read when their checks or the catalog change", "source", r.source.ID().String())
	r.sweeper = newSweeper(r)
	w := r.watch(watchID{kind: kindChecks}, r.config.Wait, &checkDecoder{})
	r.group.Go(func() error { return w.run(ctx) })
}

// note keeps account of trouble, and logs where it begins and ends.
func (r *run) note(n news) {
	before := r.troubles.key()
	r.troubles.set(n.from.id, n.err)
	r.told(before)
}

// told logs and remembers a change of the set of reasons.
func (r *run) told(before string) {
	after := r.troubles.key()
	switch after {
	case before:
		return
	case "":
		r.config.Logger.Info("consul is well again", "source", r.source.ID().String())
		return
	}
	err := r.troubles.err()
	r.config.Logger.Warn("consul is in trouble, what is missing is not believed", "source", r.source.ID().String(), "error", err)
	if r.owed, r.owedKey = err, after; after == r.troubleSent {
		r.owed, r.owedKey = nil, "" // The reader knows it.
	}
}

// settle builds what changed, and sets the timer to when that is due again.
func (r *run) settle(timer *time.Timer) {
	now := r.config.Clock()
	renamed := r.mesh.renamed
	next := r.mesh.settle(now)
	if renamed {
		all := r.mesh.registrations()
		r.source.registrations.Store(&all)
	}
	if r.sweeper != nil {
		if due := r.sweeper.due(); next.IsZero() || (!due.IsZero() && due.Before(next)) {
			next = due
		}
	}
	if next.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(max(next.Sub(now), time.Millisecond))
}

// pending returns what the reader does not know yet, and whether there is anything.
func (r *run) pending() (discovery.Update, bool) {
	key, err := r.trouble()
	complete := r.syncedSent || r.mesh.complete()
	// The first state is sent whole, save in trouble: then what there is of it is better than nothing.
	if !complete && err == nil {
		return discovery.Update{}, false
	}
	update := r.mesh.pending()
	update.Trouble = err
	update.Synced = !r.syncedSent && complete && err == nil
	update.ReadAt = r.readAt
	changed := len(update.Services)+len(update.Endpoints)+len(update.Workloads)+len(update.Problems) > 0
	if !changed {
		r.readAt, update.ReadAt = time.Time{}, time.Time{}
	}
	return update, changed || update.Synced || key != r.troubleSent
}

// trouble returns what there is, else what the reader was not told of, and its key.
func (r *run) trouble() (key string, err error) {
	if err := r.troubles.err(); err != nil {
		return r.troubles.key(), err
	}
	return r.owedKey, r.owed
}

// sent remembers what the reader knows now.
func (r *run) sent(update discovery.Update) {
	r.mesh.commit()
	r.syncedSent = r.syncedSent || update.Synced
	r.troubleSent, _ = r.trouble()
	r.owed, r.owedKey = nil, ""
	r.readAt = time.Time{}
}
