package cache

import (
	"sync"
	"sync/atomic"
)

// publication counts the streams that a publication concerns and that have not been sent it, or not settled it yet.
type publication struct {
	rev               Rev
	unsent, unsettled atomic.Int64
	sent, settled     func()
}

func newPublication(rev Rev, p Publication, streams int) *publication {
	made := &publication{rev: rev, sent: p.Sent, settled: p.Settled}
	made.unsent.Store(int64(streams))
	made.unsettled.Store(int64(streams))
	return made
}

func (p *publication) releaseSent() {
	if p.unsent.Add(-1) == 0 && p.sent != nil {
		p.sent()
	}
}

func (p *publication) releaseSettled() {
	if p.unsettled.Add(-1) == 0 && p.settled != nil {
		p.settled()
	}
}

// dueList holds the publications that one stream has not settled, in order.
type dueList struct {
	some atomic.Bool // list is not empty
	mu   sync.Mutex
	list []*publication
	// sent is how many of the list, the first ones, the stream was sent.
	sent int
}

func (d *dueList) add(p *publication) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, p)
	d.some.Store(true)
}

// send says that the stream was sent all up to rev.
func (d *dueList) send(rev Rev) {
	if !d.some.Load() {
		return
	}
	d.mu.Lock()
	sent := d.list[d.sent:max(d.upTo(rev), d.sent)]
	d.sent += len(sent)
	d.mu.Unlock()
	for _, p := range sent {
		p.releaseSent()
	}
}

// settle says that the stream has all up to rev, and so was sent it.
func (d *dueList) settle(rev Rev) {
	if !d.some.Load() {
		return
	}
	done, sent := d.take(rev)
	for i, p := range done {
		if i >= sent {
			p.releaseSent()
		}
		p.releaseSettled()
	}
}

// take takes out what is up to rev, and says how many of it, the first ones, had been sent.
func (d *dueList) take(rev Rev) (done []*publication, sent int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.upTo(rev)
	done, sent = d.list[:n:n], min(n, d.sent)
	d.sent -= sent
	if d.list = d.list[n:]; len(d.list) == 0 {
		d.list = nil
		d.some.Store(false)
	}
	return done, sent
}

// upTo returns how many are up to rev. The caller holds mu.
func (d *dueList) upTo(rev Rev) int {
	n := 0
	for n < len(d.list) && d.list[n].rev <= rev {
		n++
	}
	return n
}
