package kube

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/table"
)

// batch is how many values are built before losses that came meanwhile get their turn.
const batch = 256

// worker is the one goroutine that builds what is sent, and sends it.
type worker struct {
	id     discovery.SourceID
	world  *world
	clock  func() time.Time
	logger *slog.Logger

	services   *table.Table[discovery.ServiceID, *discovery.Service]
	endpoints  *table.Table[discovery.ShardID, *discovery.EndpointSet]
	workloads  *table.Table[discovery.WorkloadID, *discovery.Workload]
	nodes      *table.Table[string, *discovery.Node]
	namespaces *table.Table[string, *discovery.Namespace]
	problems   *table.Table[discovery.ObjectID, []discovery.Problem]

	// pauses are what services wait for, and unready says since when pods that were ready are not; the timer ends the first of them.
	pauses  map[discovery.ServiceID]pauses
	unready map[key]time.Time
	timer   *time.Timer
	// readAt is when the first change was read that is not sent yet.
	readAt time.Time
	// complete says that everything was read once, trouble what was the matter then.
	complete bool
	trouble  error
	// owed is trouble that the reader has to hear of, although it may be over.
	owed error
	// syncedSent and troubleSent are what the reader knows.
	syncedSent  bool
	troubleSent string
}

func newWorker(id discovery.SourceID, w *world, clock func() time.Time, logger *slog.Logger) *worker {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &worker{
		id: id, world: w, clock: clock, logger: logger, timer: timer,
		services:   table.New[discovery.ServiceID]((*discovery.Service).Equal),
		endpoints:  table.New[discovery.ShardID]((*discovery.EndpointSet).Equal),
		workloads:  table.New[discovery.WorkloadID]((*discovery.Workload).Equal),
		nodes:      table.New[string]((*discovery.Node).Equal),
		namespaces: table.New[string]((*discovery.Namespace).Equal),
		problems:   table.New[discovery.ObjectID](slices.Equal[[]discovery.Problem]),
		pauses:     make(map[discovery.ServiceID]pauses),
		unready:    make(map[key]time.Time),
	}
}

// run builds and sends until ctx ends; it returns ctx's error.
func (w *worker) run(ctx context.Context, out chan<- discovery.Update) error {
	defer w.timer.Stop()
	for {
		more := w.step()
		update, ready := w.pending(more)
		var to chan<- discovery.Update
		if ready {
			to = out
		}
		if more {
			// The reader may take what there is, and nothing waits for it.
			select {
			case <-ctx.Done():
				return ctx.Err()
			case to <- update:
				w.sent(update)
			default:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case to <- update:
			w.sent(update)
		case <-w.world.wake:
		case <-w.timer.C:
		}
	}
}

// step builds one batch, losses first, and reports whether more waits.
func (w *worker) step() bool {
	w.world.mu.Lock()
	defer w.world.mu.Unlock()
	w.lookForTrouble()
	if w.complete = w.world.complete(); !w.complete {
		return false
	}
	w.endPauses()
	if !w.urgent() {
		w.ordinary()
	}
	w.setTimer()
	return len(w.world.dirtyServices.ordinary)+len(w.world.dirtyObjects.ordinary)+
		len(w.world.dirtyServices.urgent)+len(w.world.dirtyObjects.urgent) > 0
}

func (w *worker) lookForTrouble() {
	// What the reader was told last need not be told again: it lasts until the reader is told that it is over.
	if news := w.world.trouble.takeNews(); news != nil && textOf(news) != w.troubleSent {
		w.owed = news
	}
	if trouble := w.world.trouble.err(); textOf(trouble) != textOf(w.trouble) {
		w.trouble = trouble
		w.report()
	}
}

// report writes trouble down, once.
func (w *worker) report() {
	if w.trouble != nil {
		w.logger.Error("the cluster is in trouble, what is missing from now on is not believed", "source", w.id.String(), "error", w.trouble)
		return
	}
	w.logger.Info("the cluster is in good order again", "source", w.id.String())
}

// endPauses puts services and pods in the queue whose pause is over.
func (w *worker) endPauses() {
	now := w.clock()
	for id, paused := range w.pauses {
		if !now.Before(paused.due) {
			w.world.reading = now
			w.world.dirtyService(id, true)
		}
	}
	for k, since := range w.unready {
		if !now.Before(since.Add(steady)) {
			w.world.reading = now
			w.world.dirtyObject(kindPod, k, true)
		}
	}
}

// setTimer makes the worker look again when the next pause is over.
func (w *worker) setTimer() {
	var next time.Time
	for _, paused := range w.pauses {
		next = earliest(next, paused.due)
	}
	for _, since := range w.unready {
		next = earliest(next, since.Add(steady))
	}
	if !next.IsZero() {
		w.timer.Reset(next.Sub(w.clock()))
	}
}

// urgent builds a batch of the losses that wait, and reports whether there were any.
func (w *worker) urgent() bool {
	objects := take(w.world.dirtyObjects.urgent, batch)
	services := take(w.world.dirtyServices.urgent, batch)
	if len(objects)+len(services) == 0 {
		return false
	}
	w.build(objects, services, &w.world.since.urgent)
	return true
}

// ordinary builds a batch of everything else: what runs before the services that it serves.
func (w *worker) ordinary() {
	objects := take(w.world.dirtyObjects.ordinary, batch)
	services := take(w.world.dirtyServices.ordinary, batch-len(objects))
	w.build(objects, services, &w.world.since.ordinary)
}

// pending returns what the reader does not know yet, and whether it may have it:
// of the first state all or nothing, more says that something is missing.
func (w *worker) pending(more bool) (discovery.Update, bool) {
	update := discovery.Update{Source: w.id, Trouble: w.trouble}
	if update.Trouble == nil {
		update.Trouble = w.owed
	}
	news := textOf(update.Trouble) != w.troubleSent
	if !w.complete || (more && !w.syncedSent) {
		return update, news
	}
	update.Synced = !w.syncedSent
	update.Services, update.Endpoints, update.Workloads = w.services.Pending(), w.endpoints.Pending(), w.workloads.Pending()
	update.Nodes, update.Namespaces, update.Problems = w.nodes.Pending(), w.namespaces.Pending(), w.problems.Pending()
	changes := len(update.Services) + len(update.Endpoints) + len(update.Workloads) + len(update.Nodes) + len(update.Namespaces) + len(update.Problems)
	if changes == 0 {
		w.readAt = time.Time{}
	}
	update.ReadAt = w.readAt
	return update, news || update.Synced || changes > 0
}

// sent remembers what the reader knows now.
func (w *worker) sent(update discovery.Update) {
	w.troubleSent, w.owed = textOf(update.Trouble), nil
	if !w.syncedSent && !update.Synced {
		return
	}
	w.syncedSent = true
	w.services.Commit()
	w.endpoints.Commit()
	w.workloads.Commit()
	w.nodes.Commit()
	w.namespaces.Commit()
	w.problems.Commit()
	w.readAt = time.Time{}
}
