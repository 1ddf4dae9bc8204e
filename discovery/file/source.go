package file

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// The times that Config leaves out.
const (
	// DefaultSettle is longer than a program takes between two steps of saving a file.
	DefaultSettle = 50 * time.Millisecond
	// DefaultRescan bounds how late a change is seen that the kernel does not tell: on network file systems,
	// after a swapped link above the folder, without watches.
	DefaultRescan = 10 * time.Second
)

// Observer is told what a user has to know; the metrics implement it. Its
// methods are called by the goroutine of Run and must not block.
type Observer interface {
	// Problems tells the full list of a file whenever it changed; empty when nothing is wrong any more.
	Problems(file string, problems []discovery.Problem)
	// Trouble tells that a part of the folder is not known; nil when it is over.
	Trouble(err error)
}

// Config says what to read.
type Config struct {
	// Dir is the folder. It need not exist yet.
	Dir string
	// Name is that of the source: file/<name>.
	Name   string
	Logger *slog.Logger
	// Observer may be nil.
	Observer Observer
	// Clock tells the time of Update.ReadAt and of delays; nil is the machine's.
	Clock func() time.Time
	// Settle is how long nothing may happen to a file before it is believed to be
	// gone or bad, or to be whole after it was written where it stands. What is
	// renamed into place and good is believed at once. 0: DefaultSettle.
	Settle time.Duration
	// Rescan is how often the folder is looked at without being told. 0: DefaultRescan.
	Rescan time.Duration
}

// Source reads a folder.
type Source struct {
	config Config
}

// New returns a Source for an absolute or relative path; it reads nothing yet.
func New(config Config) (*Source, error) {
	if config.Dir == "" || config.Logger == nil {
		return nil, errors.New("file source: config without folder or logger")
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	config.Dir = dir
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if config.Settle == 0 {
		config.Settle = DefaultSettle
	}
	if config.Rescan == 0 {
		config.Rescan = DefaultRescan
	}
	return &Source{config: config}, nil
}

// ID returns the name that updates carry.
func (s *Source) ID() discovery.SourceID {
	return discovery.SourceID{Kind: "file", Name: s.config.Name}
}

// Run sends the state of the folder, then what changes, until ctx ends; it
// returns ctx's error, or why the folder cannot be watched. It never closes
// out, and it goes on reading while nobody receives: changes merge. Runs are
// independent of each other.
func (s *Source) Run(ctx context.Context, out chan<- Update) error {
	watch, err := newWatch(s.config.Dir, s.config.Logger)
	if err != nil {
		return err
	}
	defer watch.Close()
	m := newMesh(s.ID())
	r := &run{
		config: s.config,
		watch:  watch,
		mesh:   m,
		folder: newFolder(s.config.Dir, m, s.config.Settle),
		report: newReport(s.config.Logger, s.config.Observer),
		files:  make(map[string]bool),
		timer:  time.NewTimer(s.config.Rescan),
	}
	defer r.timer.Stop()
	r.folder.entered = watch.add
	return r.loop(ctx, out)
}
