package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"outrigger.dev/outrigger/test/bench/adsclient"
	"outrigger.dev/outrigger/xds/cache"
)

// fleet is all clients of one server, or of replicas.
type fleet struct {
	clients []*adsclient.Client
	servers []*process
	touched atomic.Int64
	last    atomic.Int64 // when a client was touched last, in Unix nanoseconds
	busy    time.Time    // when settle last saw something go on
	peak    int64        // the most memory that the servers were seen to have while the fleet settled
	expect  atomic.Pointer[expectation]
	cancel  context.CancelFunc
	done    sync.WaitGroup
	errs    chan error
}

// expectation waits until as many clients as want have acknowledged a response that names a resource.
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

func newFleet(configs []adsclient.Config, servers ...*process) *fleet {
	f := &fleet{servers: servers, errs: make(chan error, len(configs))}
	texts := &adsclient.Texts{}
	for _, c := range configs {
		c.Received, c.Texts = f.received, texts
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

// connectFirst is connect for clients that have nothing yet: so many start at a time, and the next ones once these have got
// something.
func (f *fleet) connectFirst(ctx context.Context, atOnce int) error {
	running, cancel := context.WithCancel(ctx)
	f.cancel = cancel
	for some := range slices.Chunk(f.clients, atOnce) {
		for _, c := range some {
			f.done.Go(func() { f.keep(running, c) })
		}
		if err := f.served(ctx, some); err != nil {
			return err
		}
	}
	return f.settle(ctx)
}

// served waits until each of the clients has got something.
func (f *fleet) served(ctx context.Context, clients []*adsclient.Client) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for _, c := range clients {
		for c.Bytes.Load() == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case err := <-f.errs:
				return err
			case <-ticker.C:
			}
		}
	}
	return nil
}

// since returns how long after a moment something was going on last: a client was touched or, to the second, one had no
// stream or one side computed. Clients that have everything are touched by nothing.
func (f *fleet) since(begun time.Time) time.Duration {
	return max(time.Unix(0, f.last.Load()).Sub(begun), f.busy.Sub(begun), 0)
}

// settle waits for a second in which everybody had a stream, nothing came and neither side computed.
func (f *fleet) settle(ctx context.Context) error {
	last, err := f.usage()
	if err != nil {
		return err
	}
	for {
		// A whole second, however long it took to look: among 10,000 clients that begin, that may be seconds.
		if err := f.pause(ctx, time.Second); err != nil {
			return err
		}
		now, err := f.usage()
		if err != nil {
			return err
		}
		f.peak = max(f.peak, now.memory)
		if f.touched.Swap(0) == 0 && f.complete() && now.server-last.server < f.quiet() && now.clients-last.clients < f.quiet() {
			return nil
		}
		last, f.busy = now, time.Now()
	}
}

// complete reports whether every client has a stream and has said there all that it has to say.
func (f *fleet) complete() bool {
	return !slices.ContainsFunc(f.clients, func(c *adsclient.Client) bool { return !c.Open() })
}

// pause waits, unless a client ends before.
func (f *fleet) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-f.errs:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quietCPU is less than either side needs in a second in which it does something, and idleCPU is what each open
// stream adds: keepalives and timers.
const (
	quietCPU = 40 * time.Millisecond
	idleCPU  = 10 * time.Microsecond
)

func (f *fleet) quiet() time.Duration { return quietCPU + time.Duration(len(f.clients))*idleCPU }

// usage is the CPU that both sides have used so far, and the memory that the servers have.
type usage struct {
	server, clients time.Duration
	memory          int64
}

func (f *fleet) usage() (u usage, err error) {
	for _, p := range f.servers {
		used, err := p.cpu()
		if err != nil {
			return u, err
		}
		memory, err := p.memory()
		if err != nil {
			return u, err
		}
		u.server, u.memory = u.server+used, u.memory+memory
	}
	u.clients, err = cpuOf(os.Getpid())
	return u, err
}

// disconnect ends all streams and waits for them.
func (f *fleet) disconnect() {
	f.cancel()
	f.done.Wait()
}

// await does something and waits until as many clients as see it have the resource.
// It returns how long each of them took, sorted.
func (f *fleet) await(ctx context.Context, ref cache.Ref, seenBy int, do func() error) ([]time.Duration, error) {
	e := &expectation{
		typ: ref.Type, name: ref.Name, since: time.Now(), want: seenBy,
		seen: map[*adsclient.Client]bool{}, full: make(chan struct{}),
	}
	f.expect.Store(e)
	defer f.expect.Store(nil)
	if err := do(); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, e.missing(ctx.Err())
	case err := <-f.errs:
		return nil, err
	case <-e.full:
	}
	slices.Sort(e.took)
	return e.took, nil
}

// missing says how many clients have the resource.
func (e *expectation) missing(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Errorf("%d of %d clients have %s %s: %w", len(e.took), e.want, e.typ, e.name, err)
}

// counts are what all clients have received.
type counts struct{ bytes, bodies, resources, again int64 }

func (f *fleet) counts() (sum counts) {
	for _, c := range f.clients {
		sum.bytes += c.Bytes.Load()
		sum.bodies += c.Bodies.Load()
		sum.resources += c.Resources.Load()
		sum.again += c.Again.Load()
	}
	return sum
}

// during returns what all clients received while do ran.
func (f *fleet) during(do func() error) (counts, error) {
	before := f.counts()
	err := do()
	now := f.counts()
	return counts{now.bytes - before.bytes, now.bodies - before.bodies, now.resources - before.resources, now.again - before.again}, err
}
