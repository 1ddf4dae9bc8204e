package main

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"outrigger.dev/outrigger/test/bench/adsclient"
	"outrigger.dev/outrigger/xds/cache"
)

// fleet is all clients of one server.
type fleet struct {
	clients []*adsclient.Client
	server  *process
	touched atomic.Int64
	last    atomic.Int64 // when a client was touched last, in Unix nanoseconds
	busy    time.Time    // when settle last saw something go on
	away    atomic.Int64 // how many clients wait to come back
	peak    int64        // the most memory that the server was seen to have while the fleet settled
	expect  atomic.Pointer[expectation]
	cancel  context.CancelFunc
	done    sync.WaitGroup
	errs    chan error
}

// expectation waits until every client has acknowledged a response that names a resource.
type expectation struct {
	typ   cache.Type
	name  string
	since time.Time
	mu    sync.Mutex
	took  []time.Duration
	seen  map[*adsclient.Client]bool
	want  int
	full  chan struct{}
}

func newFleet(server *process, configs []adsclient.Config) *fleet {
	f := &fleet{server: server, errs: make(chan error, len(configs))}
	for _, c := range configs {
		c.Received = f.received
		f.clients = append(f.clients, adsclient.New(c))
	}
	return f
}

func (f *fleet) received(c *adsclient.Client, r adsclient.Response) {
	f.touched.Add(1)
	f.last.Store(time.Now().UnixNano())
	if e := f.expect.Load(); e != nil && r.TypeURL == e.typ.URL() {
		e.received(c, r)
	}
}

func (e *expectation) received(c *adsclient.Client, r adsclient.Response) {
	if !slices.ContainsFunc(r.Resources, func(n adsclient.Named) bool { return n.Name == e.name }) {
		return
	}
	took := time.Since(e.since)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen[c] {
		return
	}
	e.seen[c], e.took = true, append(e.took, took)
	if len(e.took) == e.want {
		close(e.full)
	}
}

// connect starts all clients and waits until they have settled.
func (f *fleet) connect(ctx context.Context) error {
	running, cancel := context.WithCancel(ctx)
	f.cancel = cancel
	for _, c := range f.clients {
		f.done.Go(func() { f.keep(running, c) })
	}
	return f.settle(ctx)
}

// since returns how long after a moment something was going on last: a client was touched or, to the second, one was away
// or one side computed. Clients that have everything are touched by nothing.
func (f *fleet) since(begun time.Time) time.Duration {
	return max(time.Unix(0, f.last.Load()).Sub(begun), f.busy.Sub(begun), 0)
}

// settle waits for a second in which nobody was away, nothing came and neither side computed.
func (f *fleet) settle(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last, err := f.usage()
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.errs:
			return err
		case <-ticker.C:
		}
		now, err := f.usage()
		if err != nil {
			return err
		}
		f.peak = max(f.peak, now.memory)
		if f.touched.Swap(0) == 0 && f.away.Load() == 0 && now.server-last.server < f.quiet() && now.clients-last.clients < f.quiet() {
			return nil
		}
		last, f.busy = now, time.Now()
	}
}

// quietCPU is less than either side needs in a second in which it does something, and idleCPU is what each open
// stream adds: keepalives and timers.
const (
	quietCPU = 40 * time.Millisecond
	idleCPU  = 10 * time.Microsecond
)

func (f *fleet) quiet() time.Duration { return quietCPU + time.Duration(len(f.clients))*idleCPU }

// usage is the CPU that both sides have used so far, and the memory that the server has.
type usage struct {
	server, clients time.Duration
	memory          int64
}

func (f *fleet) usage() (u usage, err error) {
	if u.server, err = f.server.cpu(); err != nil {
		return u, err
	}
	if u.memory, err = f.server.memory(); err != nil {
		return u, err
	}
	u.clients, err = cpuOf(os.Getpid())
	return u, err
}

// disconnect ends all streams and waits for them.
func (f *fleet) disconnect() {
	f.cancel()
	f.done.Wait()
}

// await does something and waits until every client has the resource.
// It returns how long each client took, sorted.
func (f *fleet) await(ctx context.Context, ref cache.Ref, do func() error) ([]time.Duration, error) {
	e := &expectation{
		typ: ref.Type, name: ref.Name, since: time.Now(), want: len(f.clients),
		seen: map[*adsclient.Client]bool{}, full: make(chan struct{}),
	}
	f.expect.Store(e)
	defer f.expect.Store(nil)
	if err := do(); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-f.errs:
		return nil, err
	case <-e.full:
	}
	slices.Sort(e.took)
	return e.took, nil
}

// bytes returns what all clients have received: whole messages, and the resources in them.
func (f *fleet) bytes() (messages, bodies int64) {
	for _, c := range f.clients {
		messages += c.Bytes.Load()
		bodies += c.Bodies.Load()
	}
	return messages, bodies
}
