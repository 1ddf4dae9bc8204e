package cache

import (
	"slices"
	"strings"
)

// ViewInfo describes one view, for debug views.
type ViewInfo struct {
	Spec ViewSpec
	// Nodes are the names of the nodes that see it, sorted.
	Nodes []string
	// Streams is how many subscriptions are open.
	Streams  int
	Snapshot *Snapshot
}

// Views describes all views, in the order of their specs. It costs as much as there are nodes.
func (s *Store) Views() []ViewInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes := map[*view][]string{}
	for node, v := range s.nodes {
		nodes[v] = append(nodes[v], node)
	}
	infos := make([]ViewInfo, 0, len(s.views))
	for _, v := range s.views {
		slices.Sort(nodes[v])
		infos = append(infos, ViewInfo{Spec: v.spec, Nodes: nodes[v], Streams: len(v.streams), Snapshot: v.snapshot.Load()})
	}
	slices.SortFunc(infos, func(a, b ViewInfo) int { return strings.Compare(a.Spec.key(), b.Spec.key()) })
	return infos
}

// View describes the view of one node; ok is false for a node that has none.
func (s *Store) View(node string) (info ViewInfo, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.nodes[node]
	if v == nil {
		return ViewInfo{}, false
	}
	return ViewInfo{Spec: v.spec, Nodes: []string{node}, Streams: len(s.streams[node]), Snapshot: v.snapshot.Load()}, true
}

// Stats counts what a store holds.
type Stats struct {
	Rev                          Rev
	Layers, Views, Scopes, Nodes int
	// Resources counts names in all layers, by type.
	Resources [NumTypes]int
}

// Stats counts what the store holds. It costs as much as there are layers and views.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{Rev: s.rev, Layers: len(s.layers), Views: len(s.views), Nodes: len(s.nodes)}
	for _, l := range s.layers {
		for t := range NumTypes {
			stats.Resources[t] += l.full.sets[t].Len()
		}
	}
	scopes := map[string]struct{}{}
	for _, v := range s.views {
		scopes[v.spec.Scope.key] = struct{}{}
	}
	stats.Scopes = len(scopes)
	return stats
}
