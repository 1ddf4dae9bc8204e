package kube

import (
	"crypto/sha256"
	"time"
)

// key stands for a token that is not kept.
type key [sha256.Size]byte

// answers remembers good answers, a bounded number of them, the latest ones. Its user locks it.
type answers struct {
	limit int
	by    map[key]answer
	// order holds the keys by when they were added, each once; its first ones go when there are too many.
	order []key
}

type answer struct {
	claims Claims
	until  time.Time
}

func newAnswers(limit int) *answers {
	return &answers{limit: limit, by: make(map[key]answer)}
}

func (a *answers) get(of key, now time.Time) (Claims, bool) {
	known, ok := a.by[of]
	return known.claims, ok && now.Before(known.until)
}

func (a *answers) put(of key, claims Claims, until time.Time) {
	if _, known := a.by[of]; !known {
		a.order = append(a.order, of)
	}
	a.by[of] = answer{claims: claims, until: until}
	for len(a.order) > a.limit {
		delete(a.by, a.order[0])
		a.order = a.order[1:]
	}
}
