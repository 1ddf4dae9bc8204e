package serve

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// readiness says whether this server should be sent proxies, and why not.
type readiness struct {
	mu      sync.Mutex
	waiting map[string]string // what is not ready, and why
	sources map[string]bool   // those of them that are sources
}

func newReadiness() *readiness {
	return &readiness{waiting: map[string]string{}, sources: map[string]bool{}}
}

// waitSource says that a source has not told its whole state, and why.
func (r *readiness) waitSource(name, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[name], r.waiting[name] = true, why
}

// sourcesDone says that all sources have, or that what they said last is good enough.
func (r *readiness) sourcesDone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.sources {
		delete(r.waiting, name)
	}
	clear(r.sources)
}

// wait says that something is not ready.
func (r *readiness) wait(what, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[what] = why
}

// done says that something is ready now.
func (r *readiness) done(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, what)
}

// reasons returns why the server is not ready, sorted; none: it is.
func (r *readiness) reasons() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	reasons := make([]string, 0, len(r.waiting))
	for what, why := range r.waiting {
		reasons = append(reasons, what+": "+why)
	}
	slices.Sort(reasons)
	return reasons
}

// ServeHTTP answers 200, or 503 with one reason in each line.
func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	reasons := r.reasons()
	if len(reasons) == 0 {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, reason := range reasons {
		fmt.Fprintln(w, reason)
	}
}
