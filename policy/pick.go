package policy

import (
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// Matches reports whether the selector selects the workload; it never selects nil.
func (s Selector) Matches(w *discovery.Workload) bool {
	if w == nil || s.Namespace != w.ID.Namespace {
		return false
	}
	for _, l := range s.Labels {
		if value, ok := w.Labels[l.Key]; !ok || value != l.Value {
			return false
		}
	}
	return true
}

// PickPeer returns the rule that counts for the workload, or nil. The order of rules does not matter.
func PickPeer(rules []*PeerRule, w *discovery.Workload) *PeerRule {
	return pick(rules, w, func(r *PeerRule) (Selector, discovery.ObjectID) { return r.Selector, r.Object })
}

// PickProxy returns the rule that counts for the workload, or nil. The order of rules does not matter.
func PickProxy(rules []*ProxyRule, w *discovery.Workload) *ProxyRule {
	return pick(rules, w, func(r *ProxyRule) (Selector, discovery.ObjectID) { return r.Selector, r.Object })
}

// PickMesh returns the rule that counts for the mesh, or nil. The order of rules does not matter.
func PickMesh(rules []*MeshRule) *MeshRule {
	if len(rules) == 0 {
		return nil
	}
	return slices.MinFunc(rules, func(a, b *MeshRule) int { return a.Object.Compare(b.Object) })
}

// pick takes, of the rules that select the workload, those with labels before those without, then the first object.
func pick[R any](rules []*R, w *discovery.Workload, of func(*R) (Selector, discovery.ObjectID)) *R {
	var best *R
	for _, r := range rules {
		selector, object := of(r)
		if !selector.Matches(w) {
			continue
		}
		if best == nil {
			best = r
			continue
		}
		bestSelector, bestObject := of(best)
		labelled, bestLabelled := len(selector.Labels) > 0, len(bestSelector.Labels) > 0
		if labelled != bestLabelled && labelled || labelled == bestLabelled && object.Compare(bestObject) < 0 {
			best = r
		}
	}
	return best
}

// ModeOf returns the mTLS mode of a workload's port, given the rules that count for it; either may be nil.
func ModeOf(mesh *MeshRule, peer *PeerRule, port uint16) ir.MTLSMode {
	if peer != nil {
		for _, p := range peer.Ports {
			if p.Port == port {
				return p.Mode
			}
		}
		return peer.Mode
	}
	return defaultMode(mesh)
}

// ClientMode returns the mTLS mode that clients meet at a workload's port, given the rules that count for the
// workload; each may be nil. Where the sidecar does not serve the port, that is Disabled.
func ClientMode(mesh *MeshRule, peer *PeerRule, proxy *ProxyRule, port uint16) ir.MTLSMode {
	if !proxy.Serves(port) {
		return ir.Disabled
	}
	return ModeOf(mesh, peer, port)
}

func defaultMode(mesh *MeshRule) ir.MTLSMode {
	if mesh != nil {
		return mesh.DefaultMode
	}
	return DefaultMode
}
