package consul

import "sync"

// hooks are functions that are called once, when something happened.
type hooks struct {
	mu    sync.Mutex
	fired bool
	last  int
	calls map[int]func()
}

// add registers a function; it is called at once when it happened already. The result takes it back.
func (h *hooks) add(call func()) (remove func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fired {
		call()
		return func() {}
	}
	if h.calls == nil {
		h.calls = make(map[int]func())
	}
	h.last++
	id := h.last
	h.calls[id] = call
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.calls, id)
	}
}

// fire calls all functions.
func (h *hooks) fire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fired = true
	for _, call := range h.calls {
		call()
	}
	h.calls = nil
}
