package adsclient

import "sync"

// Texts holds each name and version once for all clients that have it, and gives it a number, so that what 10,000 clients
// remember holds no pointers. Its zero value is ready for use.
type Texts struct {
	mu      sync.RWMutex
	numbers map[string]uint32
	texts   []string
}

// number returns a text's.
func (t *Texts) number(text string) uint32 {
	t.mu.RLock()
	n, known := t.numbers[text]
	t.mu.RUnlock()
	if known {
		return n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, known := t.numbers[text]; known {
		return n
	}
	if t.numbers == nil {
		t.numbers = map[string]uint32{}
	}
	n = uint32(len(t.texts))
	t.texts = append(t.texts, text)
	t.numbers[text] = n
	return n
}

// text returns the text of a number.
func (t *Texts) text(n uint32) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.texts[n]
}

// share returns the one copy of a text, of which nothing is kept where there is one already.
func (t *Texts) share(text []byte) string {
	t.mu.RLock()
	n, known := t.numbers[string(text)]
	t.mu.RUnlock()
	if !known {
		n = t.number(string(text))
	}
	return t.text(n)
}
