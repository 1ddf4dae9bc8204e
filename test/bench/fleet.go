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
		f.done.Go(func() {
			if err := c.Run(running); err != nil && running.Err() == nil {
				f.errs <- err
			}
		})
	}
	return f.settle(ctx)
}

// settle waits for a second in which nothing came and neither side computed.
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
		if f.touched.Swap(0) == 0 && now.server-last.server < quietCPU && now.clients-last.clients < quietCPU {
			return nil
		}
		last = now
	}
}

// quietCPU is less than either side needs in a second in which it does something.
const quietCPU = 40 * time.Millisecond

// usage is the CPU that both sides have used so far.
type usage struct{ server, clients time.Duration }

func (f *fleet) usage() (u usage, err error) {
	if u.server, err = f.server.cpu(); err != nil {
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
