package hold

import (
	"maps"
	"slices"
	"time"
)

// kind is all that was sent of one kind of objects, and what of it is missing in the registry.
type kind[K comparable, V any] struct {
	equal func(a, b *V) bool
	// share is the part of all that makes a mass: more than 1/share.
	share int
	sent  map[K]*V
	// missing are those that are held, and since when.
	missing map[K]time.Time
	// passed went since the last trouble began; base is how many there were when it did.
	passed map[K]struct{}
	base   int
	// clock is when, without trouble, something was held last, or a second list last had what is missing.
	clock time.Time
	// contradicted are those of the missing that a second list still had.
	contradicted map[K]struct{}
	relist       relisting
	// gone, when not nil, is told what went.
	gone func(value *V)
}

func newKind[K comparable, V any](share int, equal func(a, b *V) bool) kind[K, V] {
	return kind[K, V]{
		equal: equal, share: share,
		sent: map[K]*V{}, missing: map[K]time.Time{}, passed: map[K]struct{}{}, contradicted: map[K]struct{}{},
	}
}

// open begins to count what is lost.
func (k *kind[K, V]) open() {
	clear(k.passed)
	k.base = len(k.sent)
	if len(k.missing) == 0 {
		k.relist.at = time.Time{}
	}
}

// pass takes an update over as it is.
func (k *kind[K, V]) pass(update map[K]*V) {
	for key, value := range update {
		if value == nil {
			k.forget(key)
			continue
		}
		k.sent[key] = value
	}
}

func (k *kind[K, V]) forget(key K) {
	if value, known := k.sent[key]; known && k.gone != nil {
		k.gone(value)
	}
	delete(k.sent, key)
}

// take adds to out what is new, and returns what went missing just now.
func (k *kind[K, V]) take(now time.Time, update, out map[K]*V) []K {
	var fresh []K
	for key, value := range update {
		before, known := k.sent[key]
		_, missing := k.missing[key]
		if value == nil {
			if known && !missing {
				k.missing[key] = now
				fresh = append(fresh, key)
			}
			continue
		}
		delete(k.missing, key)
		delete(k.contradicted, key)
		delete(k.passed, key)
		if known && k.equal(before, value) {
			continue
		}
		k.sent[key], out[key] = value, value
	}
	return fresh
}

// release lets a missing object go.
func (k *kind[K, V]) release(key K, out map[K]*V) {
	k.forget(key)
	delete(k.missing, key)
	delete(k.contradicted, key)
	k.passed[key] = struct{}{}
	out[key] = nil
}

// mass reports whether what was lost in and after the last trouble is too much to be believed at once.
func (k *kind[K, V]) mass() bool {
	lost := len(k.missing) + len(k.passed)
	return lost*k.share > max(k.base, len(k.sent)+len(k.passed))
}

// verdict is what decides about missing objects besides their number.
type verdict[K comparable, V any] struct {
	phase phase
	now   time.Time
	// excused: the registry says itself why the object is gone.
	excused func(value *V) bool
	// tied: something that is held needs the object.
	tied func(key K) bool
}

// settle decides which of some missing objects go.
func (k *kind[K, V]) settle(v verdict[K, V], missing []K, out map[K]*V) {
	rest := missing[:0]
	for _, key := range missing {
		if v.excused(k.sent[key]) {
			k.release(key, out)
			delete(k.passed, key)
			continue
		}
		rest = append(rest, key)
	}
	if v.phase == doubt || len(rest) == 0 {
		return
	}
	mass := v.phase == wary && k.mass()
	if mass {
		k.relist.want(v.now)
	}
	for _, key := range rest {
		if mass || v.tied(key) {
			k.clock = v.now
			continue
		}
		k.release(key, out)
	}
}

// all returns what is missing.
func (k *kind[K, V]) all() []K { return slices.Collect(maps.Keys(k.missing)) }

// expire lets go what has been missing for long enough, save what is tied: that goes with what needs it, whatever a list had.
func (k *kind[K, V]) expire(now time.Time, tied func(K) bool, out map[K]*V) {
	if len(k.missing) == 0 || now.Before(k.clock.Add(Patience)) {
		return
	}
	for _, key := range k.all() {
		if !tied(key) {
			k.release(key, out)
		}
	}
	clear(k.contradicted)
	k.clock = now
}

// due returns when expire or asks has something to do; false: never.
func (k *kind[K, V]) due() (time.Time, bool) {
	at := k.clock.Add(Patience)
	if r := &k.relist; r.can && !r.at.IsZero() && r.at.Before(at) {
		at = r.at
	}
	return at, len(k.missing) > 0
}

// restore takes over what was read from a file: all of it is missing until the registry names it.
func (k *kind[K, V]) restore(now time.Time, from map[K]*V) {
	maps.Copy(k.sent, from)
	for key := range from {
		k.missing[key] = now
	}
	k.open()
}
