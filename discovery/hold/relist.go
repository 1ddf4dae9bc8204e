package hold

import "time"

const (
	// Relist is how far second lists of a kind are apart at least, while its objects go on to be missing.
	Relist = 2 * time.Second
	// relistShare is how many times as far apart they are as the last one took: lists are a tenth of the time at most.
	relistShare = 10
)

// relisting knows when all objects of a kind are to be listed a second time. Such a list is long: one is under way at a time.
type relisting struct {
	// can says that the source has such lists.
	can bool
	// at is when the next one is due; zero: there is nothing to be asked.
	at time.Time
	// asked is when the last one was asked for; it tells nothing of what is missing since.
	asked time.Time
	// took is how long the last one that came was under way.
	took time.Duration
	// underWay says that the answer did not come yet, again that more went missing since it was asked for.
	underWay, again bool
}

// want asks for a list.
func (r *relisting) want(now time.Time) {
	if r.underWay {
		r.again = true
		return
	}
	r.at = r.notBefore(now)
}

// notBefore returns the time, or when the next list may be asked for if that is later.
func (r *relisting) notBefore(at time.Time) time.Time {
	if soonest := r.asked.Add(max(Relist, relistShare*r.took)); !r.asked.IsZero() && soonest.After(at) {
		return soonest
	}
	return at
}

// ask reports whether a list is due now. It is asked for then, and due again when nothing else decides.
func (r *relisting) ask(now time.Time) bool {
	if !r.can || r.at.IsZero() || now.Before(r.at) {
		return false
	}
	r.asked, r.at, r.underWay = now, now.Add(Reread), true
	return true
}

// answered notes that a list came, or an error.
func (r *relisting) answered(now time.Time) {
	r.underWay, r.took = false, now.Sub(r.asked)
	if !r.at.IsZero() {
		r.at = r.notBefore(r.at)
	}
	if r.again {
		r.again = false
		r.want(now)
	}
}

// list is a second list of a kind, or why there is none.
type list[K comparable] struct {
	keys []K
	err  error
}

// asks reports whether the objects are to be listed again now.
func (k *kind[K, V]) asks(now time.Time) bool { return len(k.missing) > 0 && k.relist.ask(now) }

// confirm takes in a second list. Of what was missing when it was asked for, what it has not goes, save what is tied; what it has
// stays, and the wait begins anew.
func (k *kind[K, V]) confirm(v verdict[K, V], l list[K], counts *Counts, out map[K]*V) {
	k.relist.answered(v.now)
	missing := k.askedFor()
	switch {
	case v.phase == doubt || len(missing) == 0:
		// Trouble began anew, or what was asked for has come back.
		return
	case l.err != nil:
		counts.Failed++
		return
	}
	listed := make(map[K]struct{}, len(l.keys))
	for _, key := range l.keys {
		listed[key] = struct{}{}
	}
	agreed := true
	for _, key := range missing {
		delete(k.contradicted, key)
		if _, there := listed[key]; there {
			k.contradicted[key] = struct{}{}
			agreed = false
		} else if !v.tied(key) {
			k.release(key, out)
		}
	}
	if agreed {
		counts.Confirmed++
		return
	}
	counts.Contradicted++
	k.clock = v.now
}

// doubtful reports whether an object is missing, and no second list had it.
func (k *kind[K, V]) doubtful(key K) bool {
	_, missing := k.missing[key]
	_, contradicted := k.contradicted[key]
	return missing && !contradicted
}

// askedFor returns what was missing when the last list was asked for.
func (k *kind[K, V]) askedFor() []K {
	var keys []K
	for key, since := range k.missing {
		if !since.After(k.relist.asked) {
			keys = append(keys, key)
		}
	}
	return keys
}
