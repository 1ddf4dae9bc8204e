package server

import "log/slog"

// nackLog logs contents that stand alone as refused, once each, and hands everything on.
type nackLog struct {
	Observer
	log *slog.Logger
}

// Nacked logs and hands on.
func (l nackLog) Nacked(n Nack) {
	l.Observer.Nacked(n)
	if n.Resource != "" || n.Members == 0 {
		l.log.Warn("resource refused", "node", n.Peer.Node, "agent", n.Agent, "type", n.Type.String(),
			"resource", n.Resource, "version", n.Version, "owner", n.Owner, "error", n.Error)
	}
}
