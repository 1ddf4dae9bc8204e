package transport

import (
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/net/http2"
)

const (
	// silence is how long a client may say nothing before it is pinged, and then how long until it is given up.
	silence = 30 * time.Second
	// idleTime is how long a connection may be without a stream.
	idleTime = time.Minute
	// ageGrace is how long streams may go on once their connection is too old.
	ageGrace = 30 * time.Second
	// pingPause is the least time between pings of a client; Envoy's come every 30 s, those of gRPC every 10 s and more.
	pingPause = 9 * time.Second
	// maxStrikes is how many pings may come too early.
	maxStrikes = 2
	// maxIdleFrames is how many frames may come, between two looks, of which none ends a message or makes room for one.
	maxIdleFrames = 10_000
	// smallData is how short a frame of data is that counts as one of them.
	smallData = 256
)

var (
	errSilent = errors.New("the client is silent")
	errIdle   = errors.New("the connection has had no stream for a minute")
	errOld    = errors.New("the connection is too old")
)

// calm is why a client that does too much is left; it is told so.
type calm string

// Error says why.
func (c calm) Error() string { return string(c) }

const (
	errPings  calm = "too_many_pings" // As gRPC's clients know it.
	errFlood  calm = "keeps the server busy with nothing"
	errUnread calm = "makes the server answer and reads nothing"
)

// patience is what a connection counts and times. The connection's mu guards it.
type patience struct {
	timer  *time.Timer
	frames uint64    // that came
	seen   uint64    // of them at the last look
	lookAt time.Time // when to look whether more have come
	pinged bool      // at the last look
	idleAt time.Time // since when there is no stream; zero: there is one
	ends   time.Time // when the connection is too old; zero: never
	cutAt  time.Time // when it is cut, having been told

	lastPing time.Time
	strikes  int
	idle     int // frames that brought nothing
	refused  int // streams beyond the limit
}

// watch begins to time the connection.
func (c *connection) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	t, now := &c.timing, time.Now()
	t.idleAt, t.lookAt = now, now.Add(silence)
	if age := c.server.config.MaxAge; age > 0 {
		const spread = 5 // A tenth more or less, so that they do not all come back at once.
		t.ends = now.Add(age + age/(2*spread) - rand.N(age/spread))
	}
	t.timer = time.AfterFunc(t.next(now), c.onTimer)
}

func (t *patience) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// next is how long until something has to be looked at.
func (t *patience) next(now time.Time) time.Duration {
	next := t.lookAt
	for _, due := range []time.Time{t.ends, t.cutAt, t.idleEnd()} {
		if !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	return next.Sub(now)
}

// idleEnd is when a connection without a stream ends; zero where there is one.
func (t *patience) idleEnd() time.Time {
	if t.idleAt.IsZero() {
		return time.Time{}
	}
	return t.idleAt.Add(idleTime)
}

// isDue reports whether a moment that is set has come.
func isDue(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// onTimer looks at what is due.
func (c *connection) onTimer() {
	defer c.recovered()
	now := time.Now()
	c.mu.Lock()
	err := c.due(now)
	if err == nil && c.err == nil {
		c.timing.timer.Reset(c.timing.next(now))
	}
	c.unlock()
	if err != nil {
		c.tell(http2.ErrCodeNo, "")
		c.end(err)
	}
}

// due returns why the connection ends, if it does. The caller holds mu.
func (c *connection) due(now time.Time) error {
	t := &c.timing
	switch {
	case isDue(t.cutAt, now):
		return errOld
	case isDue(t.idleEnd(), now):
		return errIdle
	case isDue(t.ends, now):
		t.ends, t.cutAt = time.Time{}, now.Add(ageGrace)
		c.sayGoAway(http2.ErrCodeNo, "max_age")
		if c.isOver() {
			return errOld
		}
	}
	if isDue(t.lookAt, now) {
		t.lookAt = now.Add(silence)
		return c.listen()
	}
	return nil
}

// listen pings a client that has said nothing since the last look.
func (c *connection) listen() error {
	t := &c.timing
	t.idle, t.refused = 0, 0 // Who is slow floods nobody.
	switch {
	case t.frames != t.seen:
		t.seen, t.pinged = t.frames, false
		return nil
	case t.pinged:
		return errSilent
	}
	t.pinged = true
	c.control(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
	c.flush()
	return nil
}

// count counts a frame that brings no data.
func (c *connection) count() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timing.frames++
	return c.countIdle()
}

// countIdle is count for a frame that is counted otherwise as a sign of life. The caller holds mu.
func (c *connection) countIdle() error {
	if c.timing.idle++; c.timing.idle > maxIdleFrames {
		return errFlood
	}
	if len(c.writer.frames) > maxControl {
		return errUnread
	}
	return nil
}

// useful says that a message was taken, or that one goes. What a client says before somebody takes it is not.
func (t *patience) useful() { t.idle, t.strikes, t.refused = 0, 0, 0 }

// mayPing counts a ping; false when there were too many in a short time.
func (t *patience) mayPing() bool {
	now := time.Now()
	if now.Sub(t.lastPing) < pingPause {
		t.strikes++
	}
	t.lastPing = now
	return t.strikes <= maxStrikes
}

// active says that there is a stream.
func (t *patience) active() { t.idleAt = time.Time{} }

// rest notes since when there is no stream.
func (t *patience) rest(c *connection) {
	if c.calls == 0 {
		t.idleAt = time.Now()
	}
}
