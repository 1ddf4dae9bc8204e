package transport

import (
	"runtime"
	"sync"
)

// pollers are made as connections come that have descriptors; as many as goroutines run at once.
type pollers struct {
	work *sync.WaitGroup
	mu   sync.Mutex
	all  []*poller
	turn int
	over bool
}

// reader returns a connection's reader; nil where the system refuses a poller.
func (p *pollers) reader(c *connection) reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && len(p.all) < runtime.GOMAXPROCS(0) {
		if made, err := newPoller(); err == nil {
			p.all = append(p.all, made)
			p.work.Go(made.run)
		}
	}
	if len(p.all) == 0 {
		return nil
	}
	p.turn++
	return newPolled(c, p.all[p.turn%len(p.all)])
}

// close ends them. No connection is left.
func (p *pollers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, made := range p.all {
		made.close()
	}
	p.all, p.over = nil, true
}
