package hold

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

const (
	// DefaultInterval is the least time between two writes.
	DefaultInterval = 5 * time.Second
	// idleShare keeps writing a large state under 1/idleShare of the time.
	idleShare = 20
	// unasked is for how long what the file held of a source is kept that does not tell anything, or is not configured.
	unasked = 24 * time.Hour
)

// FileConfig says where the last good state is kept.
type FileConfig struct {
	Path string
	// Mesh names the control plane whose state it is; a file of another one is refused.
	Mesh   string
	Logger *slog.Logger
	// Clock tells the time; nil is the machine's.
	Clock func() time.Time
	// Interval is the least time between two writes; 0: DefaultInterval.
	Interval time.Duration
}

// File keeps the last good state of all sources and policies on a disk. It holds no secret, since no source gives any.
// New and NewPolicies take it, before or while it runs.
type File struct {
	config FileConfig
	// wake is sent to when something changed.
	wake chan struct{}

	mu       sync.Mutex
	sources  kept[savedSource]
	policies kept[savedPolicies]
}

// kept are the records of one sort, by source.
type kept[R any] struct {
	// loaded is what the file held, of sources that have not told anything yet.
	loaded map[discovery.SourceID]*R
	// save gives what is to be written; false: nothing yet.
	save map[discovery.SourceID]func() (R, bool)
}

func newKept[R any]() kept[R] {
	return kept[R]{loaded: map[discovery.SourceID]*R{}, save: map[discovery.SourceID]func() (R, bool){}}
}

// NewFile returns a File that was not read; the error says what is missing from the FileConfig.
func NewFile(c FileConfig) (*File, error) {
	if c.Path == "" || c.Mesh == "" || c.Logger == nil {
		return nil, errors.New("last-good file: a path, the name of the mesh and a logger are needed")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	return &File{
		config: c, wake: make(chan struct{}, 1), sources: newKept[savedSource](), policies: newKept[savedPolicies](),
	}, nil
}

// Load reads the file, for the New and NewPolicies that follow. That there is none is no error. A file that cannot be
// used is moved aside to <path>.refused, and the error (ErrRefused) says why; the File then begins with nothing.
func (f *File) Load() error {
	data, err := os.ReadFile(f.config.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	c, err := decode(data, f.config.Mesh)
	if err == nil {
		err = check(c)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.config.Path, err), os.Rename(f.config.Path, f.config.Path+".refused"))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range c.Sources {
		f.sources.loaded[c.Sources[i].id()] = &c.Sources[i]
	}
	for i := range c.Policies {
		f.policies.loaded[c.Policies[i].id()] = &c.Policies[i]
	}
	return nil
}

// check reports the first source whose records make no sense.
func check(c content) error {
	for i := range c.Sources {
		if _, err := c.Sources[i].restore(); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	return nil
}

// state returns what the file has of a source, and when that was good; false: nothing.
func (f *File) state(id discovery.SourceID) (State, time.Time, bool) {
	f.mu.Lock()
	saved := f.sources.loaded[id]
	f.mu.Unlock()
	if saved == nil {
		return State{}, time.Time{}, false
	}
	state, err := saved.restore()
	return state, saved.GoodUntil, err == nil
}

// objects returns what the file has of a source of policies, and when that was good; false: nothing.
func (f *File) objects(id discovery.SourceID) (compile.Objects, time.Time, bool) {
	f.mu.Lock()
	saved := f.policies.loaded[id]
	f.mu.Unlock()
	if saved == nil {
		return compile.Objects{}, time.Time{}, false
	}
	return saved.restore(), saved.GoodUntil, true
}

// keepSource has the state of a source written from now on, in the place of an earlier one of that id.
func (f *File) keepSource(id discovery.SourceID, save func() (savedSource, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sources.save[id] = save
}

// keepPolicies does the same for policies.
func (f *File) keepPolicies(id discovery.SourceID, save func() (savedPolicies, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.policies.save[id] = save
}

// Forget has nothing of a source written any more: it is not configured any longer.
func (f *File) Forget(id discovery.SourceID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sources.save, id)
	delete(f.sources.loaded, id)
	delete(f.policies.save, id)
	delete(f.policies.loaded, id)
	f.dirty()
}

// dirty says that something is to be written. It never blocks.
func (f *File) dirty() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run writes what changed, with pauses, until ctx ends, and then what is left; it returns ctx's error. What cannot be
// written is logged and tried again.
func (f *File) Run(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			f.last(ctx)
			return ctx.Err()
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			f.last(ctx)
			return ctx.Err()
		case <-f.wake:
		}
		pause.Reset(f.write(ctx))
	}
}

// last writes what has not been written yet.
func (f *File) last(ctx context.Context) {
	select {
	case <-f.wake:
		f.write(ctx)
	default:
	}
}

// write writes the file and returns how long to pause.
func (f *File) write(ctx context.Context) time.Duration {
	start := f.config.Clock()
	data, err := encode(f.gather(start))
	if err == nil {
		err = replace(f.config.Path, data)
	}
	if err != nil {
		f.config.Logger.ErrorContext(ctx, "the last good state could not be written", "path", f.config.Path, "error", err)
		f.dirty()
	}
	return max(f.config.Interval, idleShare*f.config.Clock().Sub(start))
}

// gather asks all sources for their state.
func (f *File) gather(now time.Time) content {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := content{Mesh: f.config.Mesh, Written: now.UTC()}
	c.Sources = gather(&f.sources, func(s *savedSource) bool { return now.Sub(s.GoodUntil) < unasked })
	c.Policies = gather(&f.policies, func(s *savedPolicies) bool { return now.Sub(s.GoodUntil) < unasked })
	return c
}

// gather returns the records of all sources in order: those that told something as they are now, and for the others
// what the file held, unless that is old.
func gather[R any](k *kept[R], young func(*R) bool) []R {
	records := map[discovery.SourceID]*R{}
	for id, save := range k.save {
		if saved, some := save(); some {
			records[id] = &saved
			delete(k.loaded, id)
		}
	}
	for id, loaded := range k.loaded {
		if young(loaded) {
			records[id] = loaded
		}
	}
	var sorted []R
	for _, id := range slices.SortedFunc(maps.Keys(records), compareSources) {
		sorted = append(sorted, *records[id])
	}
	return sorted
}

func compareSources(a, b discovery.SourceID) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}
