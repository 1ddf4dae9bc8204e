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

// dueList holds the publications that one stream has not settled, in order. The stream's owner sends and settles.
type dueList struct {
	some atomic.Bool // list is not empty
	mu   sync.Mutex
	list []*publication
	// sent is how many of the list, the first ones, the stream was sent.
	sent int
	// one has room for the usual list.
	one [1]*publication
}

func (d *dueList) add(p *publication) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.list == nil {
		d.list = d.one[:0]
	}
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
	for d.some.Load() {
		p, sent := d.take(rev)
		if p == nil {
			return
		}
		if !sent {
			p.releaseSent()
		}
		p.releaseSettled()
	}
}

// take takes out the first, if it is up to rev, and says whether it had been sent.
func (d *dueList) take(rev Rev) (p *publication, sent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 || d.list[0].rev > rev {
		return nil, false
	}
	p, sent = d.list[0], d.sent > 0
	if sent {
		d.sent--
	}
	d.list[0] = nil
	if d.list = d.list[1:]; len(d.list) == 0 {
		d.list, d.one[0] = nil, nil
		d.some.Store(false)
	}
	return p, sent
}

// upTo returns how many are up to rev. The caller holds mu.
func (d *dueList) upTo(rev Rev) int {
	n := 0
	for n < len(d.list) && d.list[n].rev <= rev {
		n++
	}
	return n
}
