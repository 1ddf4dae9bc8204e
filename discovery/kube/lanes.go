package kube

import "time"

// lanes are the keys of what must be built anew. Losses go first: who sends to
// an endpoint that is gone must hear of it before anything else.
type lanes[K comparable] struct {
	urgent, ordinary map[K]struct{}
}

func newLanes[K comparable]() lanes[K] {
	return lanes[K]{urgent: make(map[K]struct{}), ordinary: make(map[K]struct{})}
}

func (l *lanes[K]) add(key K, urgent bool) {
	if urgent {
		delete(l.ordinary, key)
		l.urgent[key] = struct{}{}
		return
	}
	if _, known := l.urgent[key]; !known {
		l.ordinary[key] = struct{}{}
	}
}

// take moves at most limit keys of a lane to the caller.
func take[K comparable](lane map[K]struct{}, limit int) []K {
	keys := make([]K, 0, min(limit, len(lane)))
	for key := range lane {
		if len(keys) == limit {
			break
		}
		keys = append(keys, key)
		delete(lane, key)
	}
	return keys
}

// earliest returns the earlier of two times; a zero time is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
