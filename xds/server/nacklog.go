package server

import (
	"log/slog"
	"time"
)

// nackLog logs contents that stand alone as refused, once each, and hands everything on.
type nackLog struct {
	Observer
	log *slog.Logger
}

// Nacked logs and hands on.
func (l nackLog) Nacked(n Nack) {
	l.Observer.Nacked(n)
	if n.isFinal() && !n.Muted {
		l.log.Warn("resource refused", "node", n.Peer.Node, "agent", n.Agent, "type", n.Type.String(),
			"resource", n.Resource, "version", n.Version, "owner", n.Owner, "error", n.Error)
	}
}

const (
	// nackLines is how many refusals of one stream are logged in one nackWindow: a client can refuse without end.
	nackLines  = 20
	nackWindow = time.Minute
)

// share is what one stream has used of its log lines.
type share struct {
	begun time.Time
	used  int
}

func (h *share) take(now time.Time) bool {
	if now.Sub(h.begun) >= nackWindow {
		*h = share{begun: now}
	}
	h.used++
	return h.used <= nackLines
}

// report tells the observer of a refusal.
func (s *session) report(n Nack, now time.Time) {
	n.Muted = n.isFinal() && !s.nackShare.take(now)
	s.observer.Nacked(n)
}
