package kube

import (
	"net/netip"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// steady is how long an endpoint that was ready stays in use although it is
// not ready any more: a sidecar that is replaced in place is away for 0.25 s,
// and its pod is not ready for up to 2 s.
const steady = 2 * time.Second

// awaitPod is how long a new endpoint waits for its pod to be read: without
// the pod its identity is not known, and callers would speak plain text to it.
const awaitPod = 5 * time.Second

// pauses are what a service's endpoints wait for.
type pauses struct {
	// unready says since when endpoints that were ready are not, awaited since when pods are missing.
	unready map[netip.Addr]time.Time
	awaited map[discovery.WorkloadID]time.Time
	// due is when the service must be built again although nothing changed; zero for never.
	due time.Time
}

func (p *pauses) until(due time.Time) { p.due = earliest(p.due, due) }

// health is that of an entry. One that was ready a moment ago is ready for a moment longer.
func (b *build) health(e entry, before []discovery.Endpoint) discovery.Health {
	if e.condition != unready {
		return healthOf(e.condition)
	}
	since, waiting := b.pauses.unready[e.address]
	if !waiting {
		i, known := slices.BinarySearchFunc(before, e.at(), func(e discovery.Endpoint, at netip.AddrPort) int { return e.Address.Compare(at) })
		if !known || before[i].Health != discovery.Healthy {
			return discovery.Unhealthy
		}
		since = b.now
	}
	due := since.Add(steady)
	if !b.now.Before(due) {
		return discovery.Unhealthy
	}
	if b.next.unready == nil {
		b.next.unready = make(map[netip.Addr]time.Time)
	}
	b.next.unready[e.address] = since
	b.next.until(due)
	return discovery.Healthy
}

// steadied returns what is told of a pod: one that was ready a moment ago is ready for a moment longer, as its endpoints are. An
// instance of another registry at its address goes by it.
func (w *worker) steadied(k key, pod *discovery.Workload) *discovery.Workload {
	since, waiting := w.unready[k]
	delete(w.unready, k)
	if pod.Health != discovery.Unhealthy {
		return pod
	}
	if !waiting {
		before := w.workloads.Get(pod.ID)
		if before == nil || before.UID != pod.UID || before.Health != discovery.Healthy {
			return pod
		}
		since = w.clock()
	}
	if !w.clock().Before(since.Add(steady)) {
		return pod
	}
	w.unready[k] = since
	ready := *pod
	ready.Health = discovery.Healthy
	return &ready
}

// awaits reports whether an entry is new and its pod was not read yet.
func (b *build) awaits(e entry, before []discovery.Endpoint) bool {
	if b.pods == nil || e.pod == (discovery.WorkloadID{}) {
		return false
	}
	if p := b.pods[key{e.pod.Namespace, e.pod.Name}]; p != nil && p.workload != nil {
		return false
	}
	if slices.ContainsFunc(before, func(was discovery.Endpoint) bool { return was.Workload == e.pod || was.Address == e.at() }) {
		return false
	}
	since, waiting := b.pauses.awaited[e.pod]
	if !waiting {
		since = b.now
	}
	due := since.Add(awaitPod)
	if !b.now.Before(due) {
		return false
	}
	if b.next.awaited == nil {
		b.next.awaited = make(map[discovery.WorkloadID]time.Time)
	}
	b.next.awaited[e.pod] = since
	b.next.until(due)
	return true
}
