package server

import (
	"context"
	"time"
)

// cutTime is how long streams that are cut have to end.
const cutTime = 5 * time.Second

// Drain ends the server's streams: none is let in any more, each open one
// finishes what is in flight and ends with Unavailable, so that the proxy
// connects to another server or to this one's successor. When ctx ends, what
// is left is cut; the error is that of ctx then. Drain returns when all is
// over, or a few seconds after the cut: what hangs even then ends with
// the Stop of its Transport. It may be called more than once.
func (s *Server) Drain(ctx context.Context) error {
	s.close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.work.Wait()
		s.line.close()
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	timer := time.NewTimer(cutTime)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	}
	return ctx.Err()
}

func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shut {
		s.shut = true
		close(s.draining)
		s.tellAll()
	}
}

// tellAll makes every stream look at the server's channels. The caller holds mu.
func (s *Server) tellAll() {
	for st := range s.streams {
		st.mailbox.put(st.lookAround)
	}
}

func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
	default:
		close(s.ended)
		s.tellAll()
	}
}
