package hold

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// PolicySource watches policy objects, in the manner of discovery.Source.
type PolicySource interface {
	Run(ctx context.Context, out chan<- compile.Update) error
}

// PolicyConfirmer is a PolicySource that can list the objects of a kind a second time, consistently. A definition that
// is not there is an error.
type PolicyConfirmer interface {
	Confirm(ctx context.Context, kind string) ([]discovery.ObjectID, error)
}

// PoliciesConfig is what a Policies needs.
type PoliciesConfig struct {
	// Source is held. When it is a PolicyConfirmer, mass disappearances are confirmed by it; when it is
	// discovery.Measured, Status tells the age of its data.
	Source PolicySource
	ID     discovery.SourceID
	Logger *slog.Logger
	// Clock tells the time; nil is the machine's.
	Clock func() time.Time
	// Observer may be nil.
	Observer Observer
	// File, when not nil, gives the objects to begin with, and is told what changes.
	File *File
}

// Policies is a PolicySource around another one that decides what of its word is believed.
type Policies struct {
	config  PoliciesConfig
	keeper  *PolicyKeeper
	loop    loop[compile.Update, string]
	watcher watcher
	first   *compile.Update
	heard   time.Time
}

var _ PolicySource = (*Policies)(nil)

// NewPolicies returns a Policies that was not started; the error says what is missing from the PoliciesConfig.
func NewPolicies(c PoliciesConfig) (*Policies, error) {
	if c.Source == nil || c.Logger == nil || c.ID == (discovery.SourceID{}) {
		return nil, errors.New("hold: a source of policies, its id and a logger are needed")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	confirmer, confirms := c.Source.(PolicyConfirmer)
	p := &Policies{config: c, keeper: NewPolicyKeeper(c.ID, confirms), watcher: watcher{id: c.ID, logger: c.Logger, observer: c.Observer}}
	told := teller{}
	p.loop = loop[compile.Update, string]{
		clock: c.Clock, source: c.Source.Run, machine: p.keeper, changed: p.changed,
		news: func(u *compile.Update) bool {
			return told.news(u.Synced, u.Trouble) || len(u.Problems) > 0 || !emptyObjects(&u.Objects)
		},
		reread: func(ctx context.Context, kind string) func(time.Time) compile.Update {
			ids, err := confirmer.Confirm(ctx, kind)
			return func(now time.Time) compile.Update {
				p.watcher.reread(kind, err)
				return p.keeper.Confirmed(now, kind, ids, err)
			}
		},
	}
	p.restore(&told)
	return p, nil
}

func (p *Policies) restore(told *teller) {
	if p.config.File == nil {
		return
	}
	if objects, written, some := p.config.File.objects(p.config.ID); some {
		first := p.keeper.Restore(p.config.Clock(), written, objects)
		told.news(first.Synced, first.Trouble)
		p.watcher.look(p.keeper)
		p.first = &first
	}
	p.config.File.keepPolicies(p.config.ID, p.save)
}

// Run runs the source and sends what is believed of it, until ctx ends; it returns ctx's error, or why the source cannot
// go on. It is to be called once.
func (p *Policies) Run(ctx context.Context, out chan<- compile.Update) error {
	return p.loop.run(ctx, out, p.first)
}

// Status returns what is held and why. It may be called from any goroutine.
func (p *Policies) Status() Status {
	p.loop.mu.Lock()
	s := p.keeper.Status()
	s.ReadAt = p.heard
	p.loop.mu.Unlock()
	return measure(s, p.config.Source)
}

func (p *Policies) changed(now time.Time, news bool) {
	if p.keeper.trouble == nil {
		p.heard = now
	}
	p.watcher.look(p.keeper)
	if news && p.config.File != nil {
		p.config.File.dirty()
	}
}

func (p *Policies) save() (savedPolicies, bool) {
	p.loop.mu.Lock()
	defer p.loop.mu.Unlock()
	if !p.keeper.synced {
		return savedPolicies{}, false
	}
	return savePolicies(p.config.ID, p.keeper.goodUntil(p.config.Clock()), p.keeper.State()), true
}

func emptyObjects(o *compile.Objects) bool {
	return len(o.MeshConfigs)+len(o.ProxyConfigs)+len(o.AuthenticationPolicies)+len(o.Locations) == 0
}
