package server

import (
	"sync"
	"sync/atomic"
)

// mailbox takes what seldom happens to a stream: a slow send is over, a secret has come, a timer is
// due, somebody asks.
type mailbox struct {
	wake func()

	some atomic.Bool // there is mail
	mu   sync.Mutex
	mail []func() error
}

// put adds something for whoever has the stream's turn. It never blocks; after the end of the stream nothing is done.
func (m *mailbox) put(do func() error) {
	m.mu.Lock()
	m.mail = append(m.mail, do)
	m.some.Store(true)
	m.mu.Unlock()
	m.wake()
}

// open does all that was put, in order, until something fails.
func (m *mailbox) open() error {
	if !m.some.Load() {
		return nil
	}
	m.mu.Lock()
	mail := m.mail
	m.mail = nil
	m.some.Store(false)
	m.mu.Unlock()
	for _, do := range mail {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
