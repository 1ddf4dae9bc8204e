package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"outrigger.dev/outrigger/discovery"
)

var errNoMember = errors.New("the mesh has no such Workload with sidecar: true or proxyless: true")

// members knows which workloads are in the mesh, and as which service account. It is fed with the
// same updates as the core, and ends the streams of a workload that becomes somebody else; the
// streams of one that goes are ended by their subscription.
type members struct {
	mu       sync.Mutex
	accounts map[string]string // node id to service account
	// streams are those that were let in, with the service account that they came with.
	streams map[string]map[*guard]string
}

// guard is one open stream that was let in.
type guard struct{ end context.CancelCauseFunc }

func newMembers() *members {
	return &members{accounts: map[string]string{}, streams: map[string]map[*guard]string{}}
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
		delete(m.accounts, node)
		return
	}
	m.accounts[node] = workload.ServiceAccount
	for g, account := range m.streams[node] {
		if account != workload.ServiceAccount {
			g.end(fmt.Errorf("the service account of %s is %s now, and was %s", node, workload.ServiceAccount, account))
		}
	}
}

// admit checks that a workload is what its credentials say. A guard, when there is one, is told when that changes.
func (m *members) admit(node, account string, g *guard) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.accounts[node]
	switch {
	case !ok:
		return fmt.Errorf("workload %s: %w", node, errNoMember)
	case known != account:
		return fmt.Errorf("workload %s runs as service account %s, the token says %s", node, known, account)
	}
	if g != nil {
		if m.streams[node] == nil {
			m.streams[node] = map[*guard]string{}
		}
		m.streams[node][g] = account
	}
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
