package server

import (
	"cmp"
	"slices"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// sotwType is what a state-of-the-world session knows of one type.
type sotwType struct {
	typ       cache.Type
	requested bool
	// wildcard says that the client wants everything; named that it has named something, after which no names
	// mean nothing.
	wildcard, named bool
	names           map[string]string // each with itself, as it is kept
	bytes           int               // of names
	// told is what the client has or is being sent, of the names that it wants.
	told map[string]*cache.Resource
	// nonce is that of the last response.
	nonce  nonce
	flight *sotwFlight
	// refused is what the client does not take, by name, known because nothing else was new; refusedSet is the whole set that it refused last.
	refused    refusedVersions
	refusedSet string
	// doubt holds, by name, a version that was refused while the client may have taken it all the same, because others
	// were new in that response, or may have another, because it was here before.
	doubt map[string]string
	// returned says that the client had something from an earlier stream.
	returned bool
	// pending says that something waits to be sent or answered, as far as it was looked at.
	pending bool
	// mustAnswer says that a request waits even for an empty answer, asked that it waits for what it lacks.
	mustAnswer, asked bool
	// stale says that the version which the client has counts names that it gave up. It gets another one, lest it
	// asks for such a name anew on another stream, with that version, and is answered by silence.
	stale bool
	// blockedAt is since when a response waits for another type; zero when none does.
	blockedAt time.Time
	// leaving says since when told and wanted names are in no snapshot while all else is done.
	leaving map[string]time.Time

	sent, acked, nacked uint64
}

// sotwFlight is a response that the client has not answered yet.
type sotwFlight struct {
	members []*cache.Resource
	version string
	// before is what the client had of the members that were sent because it lacked them; nil for nothing.
	before map[string]*cache.Resource
	// stale is what that of the type was, or that something was left out: the client may delete it even if it
	// refuses the response, and then has less than its version says.
	stale  bool
	bytes  int
	sentAt time.Time
}

// whole reports whether every response of the type has to hold all resources: what is left out is deleted.
func (t *sotwType) whole() bool { return t.typ == cache.Listener || t.typ == cache.Cluster }

func (t *sotwType) wants(name string) bool {
	if t.wildcard {
		return true
	}
	_, ok := t.names[name]
	return ok
}

// setNames takes the names that the client wants from now on, and reports whether any is new.
func (t *sotwType) setNames(names []string) (fresh bool) {
	was := t.wildcard
	t.wildcard = len(names) == 0 && !t.named
	next := make(map[string]string, len(names))
	t.bytes = 0
	for _, name := range names {
		if name == wildcard {
			t.wildcard = true
			continue
		}
		t.named = true
		if kept, known := t.names[name]; known {
			name = kept
		} else {
			fresh = true
			name = cloned(name)
			t.forgive(name)
			if !was {
				delete(t.told, name)
			}
		}
		if _, twice := next[name]; !twice {
			t.bytes += len(name)
		}
		next[name] = name
	}
	t.names = next
	t.forget()
	if fresh = fresh || t.wildcard && !was; fresh {
		t.refusedSet = ""
	}
	return fresh
}

// forgive lets what was refused be tried again, because the client asks for it anew.
func (t *sotwType) forgive(name string) {
	delete(t.refused, name)
	delete(t.doubt, name)
}

// forget drops what is known of names that are not wanted any more.
func (t *sotwType) forget() {
	if t.wildcard {
		return
	}
	for name := range t.told {
		if !t.wants(name) {
			delete(t.told, name)
			t.stale = true
		}
	}
	for name := range t.leaving {
		if !t.wants(name) {
			delete(t.leaving, name)
		}
	}
	for name := range t.refused {
		if !t.wants(name) {
			delete(t.refused, name)
		}
	}
	for name := range t.doubt {
		if !t.wants(name) {
			delete(t.doubt, name)
		}
	}
}

// wanted returns the resources of a snapshot that the client wants, in order.
func (t *sotwType) wanted(from *cache.Snapshot) []*cache.Resource {
	var out []*cache.Resource
	if t.wildcard {
		from.All(t.typ, func(res *cache.Resource) bool { out = append(out, res); return true })
	} else {
		for name := range t.names {
			if res := from.Get(t.typ, name); res != nil {
				out = append(out, res)
			}
		}
	}
	sortByName(out)
	return out
}

func sortByName(list []*cache.Resource) {
	slices.SortFunc(list, func(a, b *cache.Resource) int { return cmp.Compare(a.Name(), b.Name()) })
}

// lacks reports whether the client has another version of a resource, none, or nobody knows which.
func (t *sotwType) lacks(res *cache.Resource) bool {
	told := t.told[res.Name()]
	if told == nil || told.Version() != res.Version() {
		return true
	}
	perhaps, doubtful := t.doubt[res.Name()]
	return doubtful && perhaps != res.Version()
}

// missing reports whether a name that is wanted is not in a snapshot.
func (t *sotwType) missing(from *cache.Snapshot) bool {
	for name := range t.names {
		if from.Get(t.typ, name) == nil {
			return true
		}
	}
	return false
}

// waitsForAnswer reports whether a request waits for what is to be sent.
func (t *sotwType) waitsForAnswer() bool { return t.mustAnswer || t.asked }

// version is that of all that the client has, once flight is done.
func (t *sotwType) version() string {
	var v setVersion
	for _, res := range t.told {
		v.add(res)
	}
	return v.String()
}
