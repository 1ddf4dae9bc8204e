package server

import (
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tenant is what the server keeps of one workload: its open streams, and how fast it may open others.
type tenant struct {
	streams map[*stream]struct{}
	pace    *rate.Limiter
}

const (
	// tenantPace is how many streams a second one workload may open in the long run, tenantBurst how many at once.
	// Envoy comes back after half a second, then ever later.
	tenantPace  rate.Limit = 2
	tenantBurst int        = 60
)

// admit lets a stream in, unless there are too many, or its workload opens them too fast, or the server drains. When the
// workload has too many, the one that has been silent for the longest makes room: who comes
// back has lost the old one, and the server may not have noticed.
func (s *Server) admit(st *stream, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		s.config.Observer.Refused(ReasonDrained)
		return errDraining
	}
	t := s.tenant(st.owner())
	switch {
	case len(s.streams) >= s.config.Limits.Streams:
		return s.busy("too many streams are open")
	case !t.pace.AllowN(now, 1):
		return s.busy("this workload opens streams too fast")
	case len(t.streams) >= 2*st.mayOpen():
		return s.busy("too many streams of this workload are ending") // Those that made room are not gone yet.
	case t.living() >= st.mayOpen():
		t.mostSilent().supersede()
	}
	s.streams[st] = struct{}{}
	t.streams[st] = struct{}{}
	s.work.Add(1)
	return nil
}

func (s *Server) busy(reason string) error {
	s.config.Observer.Refused(ReasonBusy)
	return retryLater(reason, 0)
}

// tenant returns what is kept of a workload. The caller holds mu.
func (s *Server) tenant(node string) *tenant {
	t := s.tenants[node]
	if t == nil {
		t = &tenant{streams: map[*stream]struct{}{}, pace: rate.NewLimiter(tenantPace, tenantBurst)}
		s.tenants[node] = t
	}
	return t
}

func (s *Server) leave(st *stream, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st)
	delete(s.tenants[st.owner()].streams, st)
	s.forgetTenants(now)
	s.work.Done()
}

// forgetTenants drops those without streams that may open as many as new ones, once there are many.
func (s *Server) forgetTenants(now time.Time) {
	if len(s.tenants) <= 2*len(s.streams) {
		return
	}
	for node, t := range s.tenants {
		if len(t.streams) == 0 && t.pace.TokensAt(now) >= float64(tenantBurst) {
			delete(s.tenants, node)
		}
	}
}

// living counts the streams that have not been told to make room.
func (t *tenant) living() int {
	n := 0
	for st := range t.streams {
		if !st.superseded {
			n++
		}
	}
	return n
}

func (t *tenant) mostSilent() *stream {
	var silent *stream
	for st := range t.streams {
		if !st.superseded && (silent == nil || st.heard.Load() < silent.heard.Load()) {
			silent = st
		}
	}
	return silent
}

// supersede ends a stream in favour of a newer one. The caller holds the server's mu.
func (st *stream) supersede() {
	st.superseded = true
	st.mailbox.put(func() error {
		return closed(ReasonSuperseded, status.Error(codes.Unavailable, "the workload opened newer streams, and this one was silent for the longest"))
	})
}
