package server

import (
	"sync"
	"sync/atomic"
)

// turn is who owns a stream's state: nobody, somebody, or somebody who has to look once more.
type turn struct{ state atomic.Int32 }

// The states of a turn. A stream begins as taken, by the goroutine that opens it.
const (
	turnTaken  int32 = iota
	turnAgain        // taken, and something has happened since
	turnFree         // whoever has something for the stream may take it
	turnQueued       // free, and in line for one of the server's goroutines
	turnOver         // the stream has ended; who had the last turn owns what is left
)

// take makes the caller the owner; false means that there is one, who now looks once more, or that the stream is over.
func (t *turn) take() bool { return t.claim(turnTaken) }

// takeQueued is take for the goroutine whose line the stream stood in: false also where others were faster.
func (t *turn) takeQueued() bool { return t.state.CompareAndSwap(turnQueued, turnTaken) }

// queue reports whether the caller has to put the stream in line; it need not where the stream stands there, or has an owner,
// who now looks once more.
func (t *turn) queue() bool { return t.claim(turnQueued) }

// claim moves a turn that nobody has to another state.
func (t *turn) claim(to int32) bool {
	for {
		switch state := t.state.Load(); state {
		case turnFree, turnQueued:
			if state == to {
				return false
			}
			if t.state.CompareAndSwap(state, to) {
				return true
			}
		case turnTaken:
			if t.state.CompareAndSwap(turnTaken, turnAgain) {
				return false
			}
		default:
			return false
		}
	}
}

// give ends the caller's ownership; false means that it has to look once more.
func (t *turn) give() bool {
	if t.state.CompareAndSwap(turnTaken, turnFree) {
		return true
	}
	t.state.Store(turnTaken) // Nobody else moves it from turnAgain.
	return false
}

func (t *turn) end() { t.state.Store(turnOver) }

// line is where streams stand to which something has happened. A few goroutines serve it, so that a publication
// wakes no goroutine for each stream, whose stack has left the processor's caches.
type line struct {
	most int

	mu      sync.Mutex
	streams []*stream
	serving int
	// closed says that all streams are over: who joins still, did so while its stream ended.
	closed bool
	rest   sync.Cond // nobody serves
}

func newLine(most int) *line {
	l := &line{most: most}
	l.rest.L = &l.mu
	return l
}

// close waits until nobody serves the line, and ends it. All streams are over by then.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.serving > 0 {
		l.rest.Wait()
	}
	l.closed = true
}

// lineChunk is how many streams a goroutine takes out of the line at once.
const lineChunk = 16

// join puts a stream in line. It never blocks.
func (l *line) join(st *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.streams = append(l.streams, st)
	if l.serving < l.most {
		l.serving++
		go l.serve()
	}
}

// serve gives streams their turn until nobody stands in line.
func (l *line) serve() {
	var chunk [lineChunk]*stream
	for {
		n := l.next(chunk[:])
		if n == 0 {
			return
		}
		warm(chunk[:n])
		for _, st := range chunk[:n] {
			if st.turn.takeQueued() {
				st.goOn()
			}
		}
	}
}

// next takes out those who have stood for the longest.
func (l *line) next(chunk []*stream) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := copy(chunk, l.streams)
	clear(l.streams[:n])
	l.streams = l.streams[n:]
	if n == 0 {
		l.serving--
		l.streams = nil
		l.rest.Broadcast()
	}
	return n
}
