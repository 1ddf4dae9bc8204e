package debug

import (
	"context"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/server"
)

// Report says how far one replica's proxies are: what replicas tell each other.
type Report struct {
	// Replica is the name of the server that tells; Started tells its runs apart.
	Replica string    `json:"replica"`
	Started time.Time `json:"started"`
	// At is when the report was made.
	At time.Time `json:"at"`
	// Settings are those that all replicas must have alike.
	Settings map[string]string `json:"settings"`
	// Revisions are those that were published last, the oldest first.
	Revisions []Revision `json:"revisions"`
	// Standing is the revision that the source itself has now, read or not; it and Trouble, why it is
	// not known, are told only where they are asked for.
	Standing string `json:"standing,omitempty"`
	Trouble  string `json:"trouble,omitempty"`
	// Errors counts what is wrong with the last revision and therefore not in use.
	Errors int `json:"errors"`
	// Proxies are the open streams, sorted by name.
	Proxies []Progress `json:"proxies"`
}

// Progress is how far one open stream is.
type Progress struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
	// Reached is the last publication up to which the proxy has all, except for what it refused.
	Reached uint64 `json:"reached"`
	// Pending counts what it has not acknowledged; it is 1 for a stream that does not answer.
	Pending int `json:"pending"`
	// Refused is what the proxy does not have because it refused it.
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal is one resource that a proxy refused.
type Refusal struct {
	Type string `json:"type"`
	server.ParkedInfo
}

// Latest is the last revision that was published, empty before the first.
func (r *Report) Latest() string {
	if len(r.Revisions) == 0 {
		return ""
	}
	return r.Revisions[len(r.Revisions)-1].ID
}

// Report asks every stream how far it is. With standing it also looks at the source.
func (s *Service) Report(ctx context.Context, standing bool) Report {
	report := Report{
		Replica: s.replica, Started: s.started, At: time.Now(), Settings: s.settings, Proxies: []Progress{},
		Revisions: s.ledger.revisions(), // Before the number, so that no revision is later than it.
	}
	if standing {
		var err error
		if report.Standing, err = s.standing(); err != nil {
			report.Trouble = err.Error()
		}
	}
	for _, p := range s.problems() {
		if !p.Warning {
			report.Errors++
		}
	}
	published, views := s.store.Rev(), s.store.Views()
	streams := s.streams(ctx)
	for _, view := range views {
		for _, node := range view.Nodes {
			report.Proxies = append(report.Proxies, s.progress(node, view.Snapshot.Rev(), published, streams[node])...)
		}
	}
	slices.SortFunc(report.Proxies, func(a, b Progress) int { return strings.Compare(a.Name, b.Name) })
	return report
}

// progress tells the open streams of a node, those too that did not answer.
func (s *Service) progress(node string, concerning, published cache.Rev, infos []server.StreamInfo) []Progress {
	list := make([]Progress, 0, len(infos))
	for _, info := range infos {
		reached := info.Settled
		if reached >= concerning {
			// What came since does not concern it.
			reached = max(reached, published)
		}
		list = append(list, progressOf(info, reached))
	}
	if view, ok := s.store.View(node); ok && view.Streams > len(infos) {
		list = append(list, Progress{Name: node, Pending: 1})
	}
	return list
}

func progressOf(info server.StreamInfo, reached cache.Rev) Progress {
	p := Progress{Name: info.Peer.Node, Since: info.Since, Reached: uint64(reached)}
	for _, t := range info.Types {
		p.Pending += t.Pending
		for _, parked := range t.Parked {
			p.Refused = append(p.Refused, Refusal{Type: t.Type, ParkedInfo: parked})
		}
	}
	return p
}
