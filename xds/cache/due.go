package cache

import (
	"sync"
	"sync/atomic"
)

// publication counts the streams that a publication concerns and that have not settled it yet.
type publication struct {
	rev       Rev
	remaining atomic.Int64
	settled   func()
}

func (p *publication) release() {
	if p.remaining.Add(-1) == 0 {
		p.settled()
	}
}

// dueList holds the publications that one stream has not settled, in order.
type dueList struct {
	some atomic.Bool // list is not empty
	mu   sync.Mutex
	list []*publication
}

func (d *dueList) add(p *publication) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, p)
	d.some.Store(true)
}

func (d *dueList) settle(rev Rev) {
	if !d.some.Load() {
		return
	}
	for _, p := range d.take(rev) {
		p.release()
	}
}

func (d *dueList) take(rev Rev) []*publication {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(d.list) && d.list[n].rev <= rev {
		n++
	}
	done := d.list[:n:n]
	if d.list = d.list[n:]; len(d.list) == 0 {
		d.list = nil
		d.some.Store(false)
	}
	return done
}
