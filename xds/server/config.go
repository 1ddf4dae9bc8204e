package server

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// Config is what a Server is made from. Zero values mean the defaults that are
// named; Store and Auth are needed.
type Config struct {
	Store *cache.Store
	Auth  Authenticator
	// Secrets nil: every secret is answered as missing.
	Secrets Secrets
	// Observer nil: nobody is told.
	Observer Observer
	// Logger nil: nothing is logged.
	Logger *slog.Logger
	// Synced is closed when every source has told its whole state; nil: they have. Until then streams
	// get additions and updates and nothing is said to be missing or removed.
	Synced <-chan struct{}
	// MemoryShort reports that the process has little memory left: no stream begins then, so that those which are
	// open stay. It is called for every stream that begins. Nil: never.
	MemoryShort func() bool
	// Identifier is shown in Envoy's control_plane.identifier; default "outrigger".
	Identifier string
	Timing     Timing
	Limits     Limits
}

// Timing holds the engine's durations.
type Timing struct {
	// Drain is how long a client drains a listener (Envoy's --drain-time-s); default 45 s.
	// A cluster is removed Drain and 5 s after the last listener or route that named it.
	Drain time.Duration
	// Step is how long a request, or a step, waits for an incomplete one before it; default 1 s.
	Step time.Duration
	// Send ends a stream whose client does not read; default 20 s.
	Send time.Duration
	// Ack ends a stream whose client does not answer a response; default 5 min.
	Ack time.Duration
	// First ends a stream that says nothing; default 30 s.
	First time.Duration
	// Auth bounds one authentication; default 10 s.
	Auth time.Duration
	// MaxConnectionAge ends connections at that age, give or take 10 %; default 0: never.
	MaxConnectionAge time.Duration
}

// DefaultStreams is how many streams may be open at once where nothing else is said.
const DefaultStreams = 20_000

// Limits bound what one client may ask for.
type Limits struct {
	// NameBytes is the length of a resource's name; default 1 KB.
	NameBytes int
	// NamesPerType is how many names of one type a stream may subscribe to; default 50,000.
	NamesPerType int
	// MessageBytes is the size of one request; default 16 MB.
	MessageBytes int
	// ResponseBytes and ResponseMembers split large answers; default 3 MB and 5,000.
	ResponseBytes, ResponseMembers int
	// Streams is how many may be open at once; default DefaultStreams.
	Streams int
	// StreamsPerNode is how many one workload may have open at once; default 4. One that lost its connection
	// comes back before the server has noticed: the one that is silent for the longest makes room.
	StreamsPerNode int
	// StreamBytes is how many bytes of names one stream may have the server hold; default 8 MB.
	StreamBytes int
	// Opening is how many streams may be in their first exchange at once, the others wait; default 256.
	Opening int
	// OpeningWork is how much of the processors' time a second first exchanges may take; default three quarters of all.
	OpeningWork time.Duration
}

// drainMargin is added to a client's drain time before a cluster goes.
const drainMargin = 5 * time.Second

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil || c.Auth == nil {
		return c, errors.New("xds server: Config needs Store and Auth")
	}
	if c.Secrets == nil {
		c.Secrets = noSecrets{}
	}
	if c.Observer == nil {
		c.Observer = noObserver{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Synced == nil {
		synced := make(chan struct{})
		close(synced)
		c.Synced = synced
	}
	if c.MemoryShort == nil {
		c.MemoryShort = func() bool { return false }
	}
	if c.Identifier == "" {
		c.Identifier = "outrigger"
	}
	c.Timing = c.Timing.withDefaults()
	c.Limits = c.Limits.withDefaults()
	return c, nil
}

func (t Timing) withDefaults() Timing {
	orDefault(&t.Drain, 45*time.Second)
	orDefault(&t.Step, time.Second)
	orDefault(&t.Send, 20*time.Second)
	orDefault(&t.Ack, 5*time.Minute)
	orDefault(&t.First, 30*time.Second)
	orDefault(&t.Auth, 10*time.Second)
	return t
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.NameBytes, 1<<10)
	orDefault(&l.NamesPerType, 50_000)
	orDefault(&l.MessageBytes, 16<<20)
	orDefault(&l.ResponseBytes, 3<<20)
	orDefault(&l.ResponseMembers, 5_000)
	orDefault(&l.Streams, DefaultStreams)
	orDefault(&l.StreamsPerNode, 4)
	orDefault(&l.StreamBytes, 8<<20)
	orDefault(&l.Opening, 256)
	orDefault(&l.OpeningWork, time.Duration(runtime.GOMAXPROCS(0))*time.Second*3/4)
	return l
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}
