package serve

import (
	"errors"
	"fmt"
	"sync"

	"outrigger.dev/outrigger/discovery"
)

var errNoMember = errors.New("the mesh has no such Workload with sidecar: true or proxyless: true, and no such pod with the label outrigger.dev/proxy")

// members knows which workloads are in the mesh, and as which service account. It is fed with the
// same updates as the core, and ends the streams of a workload that becomes somebody else; the
// streams of one that goes are ended by their subscription.
type members struct {
	mu sync.Mutex
	// known are the workloads in the mesh, by node id.
	known map[string]*discovery.Workload
	// streams are those that were let in, with who they were then.
	streams map[string]map[*guard]incarnation
}

// incarnation is what makes a workload another one when it changes: a pod that was replaced has another uid.
type incarnation struct{ account, uid string }

func incarnationOf(w *discovery.Workload) incarnation {
	return incarnation{account: w.ServiceAccount, uid: w.UID}
}

// guard is one open stream that was let in.
type guard struct{ end func(error) }

func newMembers() *members {
	return &members{known: map[string]*discovery.Workload{}, streams: map[string]map[*guard]incarnation{}}
}

// apply takes in what a source says.
func (m *members) apply(update discovery.Update) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, workload := range update.Workloads {
		m.set(id.String(), workload)
	}
}

func (m *members) set(node string, workload *discovery.Workload) {
	if workload == nil || !workload.InMesh() {
		delete(m.known, node)
		return
	}
	m.known[node] = workload
	now := incarnationOf(workload)
	for g, was := range m.streams[node] {
		switch {
		case was.account != now.account:
			g.end(fmt.Errorf("the service account of %s is %s now, and was %s", node, now.account, was.account))
		case was.uid != now.uid:
			g.end(fmt.Errorf("%s is another instance now: its uid is %s, and was %s", node, now.uid, was.uid))
		}
	}
}

// admit checks that a workload is what its credentials say: it has to pass the check. The guard is told when the
// workload becomes somebody else, until leave.
func (m *members) admit(node string, check func(*discovery.Workload) error, g *guard) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known[node]
	if known == nil {
		return fmt.Errorf("workload %s: %w", node, errNoMember)
	}
	if err := check(known); err != nil {
		return err
	}
	if m.streams[node] == nil {
		m.streams[node] = map[*guard]incarnation{}
	}
	m.streams[node][g] = incarnationOf(known)
	return nil
}

// leave forgets a stream.
func (m *members) leave(node string, g *guard) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.streams[node], g)
	if len(m.streams[node]) == 0 {
		delete(m.streams, node)
	}
}
