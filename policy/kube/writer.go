package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// What WriterConfig leaves out.
const (
	DefaultLeaseNamespace = "outrigger-system"
	DefaultLeaseName      = "outrigger-status"
	// DefaultLeaseDuration is for how long a holder that died keeps others from writing.
	DefaultLeaseDuration = 15 * time.Second
	// DefaultWritesPerSecond bounds the load on the API server.
	DefaultWritesPerSecond = 20
	// DefaultSettle is longer than the control plane takes to find out what is wrong with a change.
	DefaultSettle = 2 * time.Second
)

// FieldManager owns the conditions that a Writer writes.
const FieldManager = "outrigger-status"

// WriterConfig says where and as whom to write.
type WriterConfig struct {
	REST   *rest.Config
	Logger *slog.Logger
	// Identity tells this replica from the others, such as its pod's name and a random part.
	Identity string
	// Ready is closed when the whole mesh has been looked at: before that nobody knows what is wrong. Nil: it has been.
	Ready <-chan struct{}
	// LeaseNamespace, LeaseName and LeaseDuration are those of the Lease; when they are empty, DefaultLeaseNamespace and so on.
	LeaseNamespace string
	LeaseName      string
	LeaseDuration  time.Duration
	// WritesPerSecond and Settle are DefaultWritesPerSecond and DefaultSettle when they are 0.
	WritesPerSecond float64
	// Settle is how old a change must be before it is judged when nobody says that it was taken in, and the least time between
	// two writes onto one object.
	Settle time.Duration
	// Retry is the longest wait between two attempts; 0: DefaultRetry.
	Retry time.Duration
	// Clock tells the times in conditions; nil is the machine's.
	Clock func() time.Time
}

// Writer writes conditions onto the objects of one cluster. Set, Took, SetSources and Leading may be called from any goroutine,
// and never wait.
type Writer struct {
	config   WriterConfig
	client   dynamic.Interface
	leases   coordinationclient.LeasesGetter
	findings *findings
	leading  atomic.Bool
	writes   atomic.Uint64
}

// NewWriter returns a Writer; it asks and writes nothing yet.
func NewWriter(config WriterConfig) (*Writer, error) {
	if config.REST == nil || config.Logger == nil || config.Identity == "" {
		return nil, errors.New("status writer: config without REST, logger or identity")
	}
	config = config.withDefaults()
	client, err := newClient(config.REST)
	if err != nil {
		return nil, err
	}
	leases, err := coordinationclient.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("client of kubernetes at %s: %w", config.REST.Host, err)
	}
	return &Writer{config: config, client: client, leases: leases, findings: newFindings()}, nil
}

func (c WriterConfig) withDefaults() WriterConfig {
	setDefault(&c.LeaseNamespace, DefaultLeaseNamespace)
	setDefault(&c.LeaseName, DefaultLeaseName)
	setDefault(&c.LeaseDuration, DefaultLeaseDuration)
	setDefault(&c.WritesPerSecond, DefaultWritesPerSecond)
	setDefault(&c.Settle, DefaultSettle)
	setDefault(&c.Retry, DefaultRetry)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Ready == nil {
		ready := make(chan struct{})
		close(ready)
		c.Ready = ready
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	if none := *new(T); *field == none {
		*field = value
	}
}

// Set takes in what a finder, such as the compiler or the core, found: for every object that is named its list is complete, and
// an empty one says that the finder finds nothing wrong any more. Lists are immutable.
func (w *Writer) Set(finder string, problems map[discovery.ObjectID][]discovery.Problem) {
	w.findings.set(finder, problems)
}

// Took takes in which objects are in use, up to which generation; it is to be called after Set with what the compiler
// found in them. No condition says anything of a generation that nobody took.
func (w *Writer) Took(objects compile.Objects) { w.findings.take(objects) }

// SetSources says what is wrong with the sources of the mesh, such as what is held; empty for nothing.
func (w *Writer) SetSources(trouble string) { w.findings.setSources(trouble) }

// Leading reports whether this replica is the one that writes.
func (w *Writer) Leading() bool { return w.leading.Load() }

// Writes returns how many conditions were written.
func (w *Writer) Writes() uint64 { return w.writes.Load() }

// Run writes whenever this replica holds the Lease, until ctx ends, and returns ctx's error.
func (w *Writer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.campaign(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}
