package hold

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Observer is told what is held whenever that begins, ends or has another reason. It is called by New and by the
// goroutine of Run, and must not block.
type Observer interface {
	Held(Status)
}

// Config is what a Held needs.
type Config struct {
	// Source is held. Mass drops are confirmed by it as far as it is a discovery.Confirmer, ServiceConfirmer and
	// WorkloadConfirmer; when it is discovery.Measured, Status tells the age of its data.
	Source discovery.Source
	// ID is that of the source.
	ID     discovery.SourceID
	Logger *slog.Logger
	// Clock tells the time; nil is the machine's.
	Clock func() time.Time
	// Observer may be nil.
	Observer Observer
	// File, when not nil, gives the state to begin with, and is told what changes.
	File *File
	// Before, when not nil, is the state of the source in whose place this one is; it goes before that of File.
	Before *State
}

// Held is a Source around another one that decides what of its word is believed.
type Held struct {
	config  Config
	keeper  *Keeper
	loop    loop[discovery.Update, Question]
	watcher watcher
	// first is what a file had.
	first *discovery.Update
	// heard is when the last update came; the lock of loop guards it.
	heard time.Time
}

var _ discovery.Source = (*Held)(nil)

// New returns a Held that was not started; the error says what is missing from the Config.
func New(c Config) (*Held, error) {
	if c.Source == nil || c.Logger == nil || c.ID == (discovery.SourceID{}) {
		return nil, errors.New("hold: a source, its id and a logger are needed")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	h := &Held{config: c, keeper: NewKeeper(c.ID, readsOf(c.Source)), watcher: watcher{id: c.ID, logger: c.Logger, observer: c.Observer}}
	told := teller{}
	h.loop = loop[discovery.Update, Question]{
		clock: c.Clock, source: c.Source.Run, machine: h.keeper, changed: h.changed,
		news:   func(u *discovery.Update) bool { return told.news(u.Synced, u.Trouble) || !emptyUpdate(u) },
		reread: h.reread,
	}
	h.restore(&told)
	return h, nil
}

// reread asks the source, and returns how to tell the keeper. The keeper asks only for what the source can.
func (h *Held) reread(ctx context.Context, q Question) func(now time.Time) discovery.Update {
	var tell func(now time.Time) discovery.Update
	var err error
	switch q.Of {
	case OfServices:
		var ids []discovery.ServiceID
		ids, err = h.config.Source.(discovery.ServiceConfirmer).ConfirmServices(ctx)
		tell = func(now time.Time) discovery.Update { return h.keeper.ConfirmedServices(now, ids, err) }
	case OfWorkloads:
		var ids []discovery.WorkloadID
		ids, err = h.config.Source.(discovery.WorkloadConfirmer).ConfirmWorkloads(ctx)
		tell = func(now time.Time) discovery.Update { return h.keeper.ConfirmedWorkloads(now, ids, err) }
	case OfEndpoints:
		var set *discovery.EndpointSet
		set, err = h.config.Source.(discovery.Confirmer).Confirm(ctx, q.Service)
		tell = func(now time.Time) discovery.Update { return h.keeper.Confirmed(now, q.Service, set, err) }
	}
	return func(now time.Time) discovery.Update {
		h.watcher.reread(q.String(), err)
		return tell(now)
	}
}

// restore begins with what was before, or with what the file has of the source.
func (h *Held) restore(told *teller) {
	if before := h.config.Before; before != nil {
		h.beginWith(told, h.keeper.Succeed(h.config.Clock(), *before))
	} else if h.config.File != nil {
		if state, written, some := h.config.File.state(h.config.ID); some {
			h.beginWith(told, h.keeper.Restore(h.config.Clock(), written, state))
		}
	}
	if h.config.File != nil {
		h.config.File.keepSource(h.config.ID, h.save)
	}
}

func (h *Held) beginWith(told *teller, first discovery.Update) {
	told.news(first.Synced, first.Trouble)
	h.watcher.look(h.keeper)
	h.first = &first
}

// State returns what is believed of the source; ok is false while it never told a whole state. It may be called from
// any goroutine.
func (h *Held) State() (state State, ok bool) {
	h.loop.mu.Lock()
	defer h.loop.mu.Unlock()
	return h.keeper.State(), h.keeper.synced
}

// Run runs the source and sends what is believed of it, until ctx ends; it returns ctx's error, or why the source cannot
// go on. It is to be called once.
func (h *Held) Run(ctx context.Context, out chan<- discovery.Update) error {
	return h.loop.run(ctx, out, h.first)
}

// Status returns what is held and why. It may be called from any goroutine.
func (h *Held) Status() Status {
	h.loop.mu.Lock()
	s := h.keeper.Status()
	s.ReadAt = h.heard
	h.loop.mu.Unlock()
	return measure(s, h.config.Source)
}

// measure adds what a source knows of its own watching.
func measure(s Status, source any) Status {
	if measured, can := source.(discovery.Measured); can {
		s.ReadAt = measured.Stats().ReadAt
	}
	return s
}

// changed notes a step of the keeper.
func (h *Held) changed(now time.Time, news bool) {
	if h.keeper.trouble == nil {
		h.heard = now
	}
	h.watcher.look(h.keeper)
	if news && h.config.File != nil {
		h.config.File.dirty()
	}
}

// save returns what is to be written of the source; false: it told nothing yet.
func (h *Held) save() (savedSource, bool) {
	h.loop.mu.Lock()
	synced, at, state := h.keeper.synced, h.keeper.goodUntil(h.config.Clock()), State{}
	if synced {
		state = h.keeper.State()
	}
	h.loop.mu.Unlock()
	if !synced {
		return savedSource{}, false
	}
	return saveSource(h.config.ID, at, state), true
}

func emptyUpdate(u *discovery.Update) bool {
	return len(u.Services)+len(u.Endpoints)+len(u.Workloads)+len(u.Nodes)+len(u.Namespaces)+len(u.Problems) == 0
}

// teller knows what whoever reads on was told besides objects.
type teller struct {
	began   bool
	trouble string
}

// news reports whether completeness or trouble are new.
func (t *teller) news(synced bool, trouble error) bool {
	text := ""
	if trouble != nil {
		text = trouble.Error()
	}
	news := synced || !t.began || text != t.trouble
	t.began, t.trouble = true, text
	return news
}
