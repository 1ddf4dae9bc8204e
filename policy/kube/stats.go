package kube

import (
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"outrigger.dev/outrigger/discovery"
)

// stats counts what happens; its zero value is ready.
type stats struct {
	mu  sync.Mutex
	now discovery.Stats
}

func (s *stats) get() discovery.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// heard counts an answer of the API server; news says that it changed something.
func (s *stats) heard(at time.Time, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.ReadAt = at
	s.now.Wakes++
	if !news {
		s.now.IdleWakes++
	}
}

// fresh notes that the API server was heard in good order, without news.
func (s *stats) fresh(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.ReadAt = at
}

func (s *stats) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Resets++
}

func (s *stats) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Errors++
	if apierrors.IsTooManyRequests(err) {
		s.now.Throttled++
	}
}
