package consul

import (
	"fmt"
	"time"
)

// cursor is where a blocking query stands. It holds the rules of Consul's documentation: an index that goes back
// begins anew, and 0 is taken as 1, since a query with 0 does not block.
type cursor struct {
	// index is what the next query waits to be passed; 0 asks for an answer at once.
	index uint64
	// last is the highest index that was seen, also after index was set back.
	last uint64
	// sure says that the next query goes to the leader: what a server said is in doubt.
	sure bool
}

// verdict says what an answer is good for.
type verdict uint8

const (
	// believed: all of it is true.
	believed verdict = iota
	// partial: what it holds is true, and what it lacks may have been filtered.
	partial
	// doubted: nothing of it is used.
	doubted
)

// take judges an answer and moves on. The error is the reason for any other verdict than believed.
func (c *cursor) take(a *answer, maxStale time.Duration) (verdict, error) {
	index := max(a.index, 1)
	switch {
	case index < c.last:
		err := trouble(reasonReset, fmt.Errorf("its index went back from %d to %d", c.last, index))
		*c = cursor{sure: true}
		return doubted, err
	case a.behind() > maxStale:
		c.restart()
		return doubted, trouble(reasonStale, fmt.Errorf("the server that answers is %s behind the leader", a.behind()))
	case a.leaderless():
		c.restart()
		return doubted, trouble(reasonStale, fmt.Errorf("the server that answers knows no leader"))
	}
	c.index, c.last, c.sure = index, index, false
	if a.filtered {
		return partial, trouble(reasonFiltered, fmt.Errorf("access rules hide a part (the token needs node:read and service:read on everything)"))
	}
	return believed, nil
}

// restart makes the next query answer at once, from the leader.
func (c *cursor) restart() { c.index, c.sure = 0, true }

// retry makes the next query answer at once, as one that failed has to: nothing may change for minutes.
func (c *cursor) retry() { c.index = 0 }
