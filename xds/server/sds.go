package server

import (
	"errors"
	"maps"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// secretBook is what a session knows of its peer's secrets: versions and times. A
// body lives in the queue and in flight only, until the client has it.
type secretBook struct {
	byName map[string]*secretState
	// fetching is the name that is being asked for; one at a time.
	fetching string
	// calm says for certain that no secret is wanted, and that the next renewal is due at renewAt, zero if none: both
	// are looked at after every event.
	calm    bool
	renewAt time.Time
}

// secretState is one secret that the client asked for.
type secretState struct {
	// have is the version that the client has, as it says or as it acknowledged.
	have           string
	renew, expires time.Time
	// want says that it must be asked for, not before notBefore.
	want      bool
	notBefore time.Time
	// sending is the version that is queued or in flight, empty if none.
	sending  string
	failures int
	// dropped says that the client wants it no more: only notBefore and failures stay, so that who asks again and
	// again gets no more answers than others.
	dropped bool
}

const (
	// maxSecrets is how many names one stream gets secrets of; a proxy asks for two.
	maxSecrets = 16
	// secretPause is the least time between two answers to a client that asks for the same secret again and again.
	secretPause = time.Second
	// maxSecretPause bounds the pause after failures.
	maxSecretPause = 30 * time.Second
)

// has reports whether the client has a good version that is not about to change.
func (b *secretBook) has(name string) bool {
	st := b.byName[name]
	return st != nil && st.have != "" && !st.want && st.sending == "" && b.fetching != name
}

// wanted reports whether any secret must be asked for, now or later.
func (b *secretBook) wanted() bool {
	if b.calm {
		return false
	}
	b.renewAt = time.Time{}
	for _, st := range b.byName {
		if st.want {
			return true
		}
		earliest(&b.renewAt, st.renew)
	}
	b.calm = true
	return false
}

// ask wants a secret.
func (b *secretBook) ask(st *secretState) { st.want, b.calm = true, false }

func (b *secretBook) drop(name string) {
	if st := b.byName[name]; st != nil {
		*st = secretState{notBefore: st.notBefore, failures: st.failures, dropped: true}
		b.calm = false
	}
}

// open returns what is known of a name that the client asks for, nil when it asks for too many.
func (b *secretBook) open(name string, now time.Time) *secretState {
	st := b.byName[name]
	if st != nil {
		st.dropped = false
		return st
	}
	if len(b.byName) >= maxSecrets {
		maps.DeleteFunc(b.byName, func(_ string, st *secretState) bool { return st.dropped && !st.notBefore.After(now) })
	}
	if len(b.byName) >= maxSecrets {
		return nil
	}
	if b.byName == nil {
		b.byName = map[string]*secretState{}
	}
	st = &secretState{notBefore: now}
	b.byName[name] = st
	return st
}

// acknowledged notes the version that the client took.
func (b *secretBook) acknowledged(e *entry) {
	if st := b.byName[e.name]; st != nil {
		st.have = e.res.Version()
		st.sent(e.res.Version())
	}
}

// refused notes that the client does not take a version; it keeps the one that it has.
func (b *secretBook) refused(e *entry) {
	if st := b.byName[e.name]; st != nil {
		st.sent(e.res.Version())
	}
}

// sent notes that a version is on its way no more, unless a newer one is.
func (st *secretState) sent(version string) {
	if st.sending == version {
		st.sending = ""
	}
}

// deadline returns when a secret must be asked for; zero if none.
func (b *secretBook) deadline(now time.Time) time.Time {
	if b.calm {
		return b.renewAt
	}
	var next time.Time
	for _, st := range b.byName {
		earliest(&next, st.renew)
		if st.want && st.notBefore.After(now) {
			earliest(&next, st.notBefore)
		}
	}
	return next
}

// askSecret notes that the client asks for a secret. have is the version that it need not be sent again.
func (s *session) askSecret(name, have string, now time.Time) {
	st := s.secrets.open(name, now)
	if st == nil {
		s.enqueue(&s.types[cache.Secret], entry{name: name, asked: true}, false)
		return
	}
	st.have = have
	s.secrets.ask(st)
}

// renewSecrets asks for those whose time has come.
func (s *session) renewSecrets(now time.Time) {
	if s.secrets.calm && now.Before(s.secrets.renewAt) {
		return
	}
	for _, st := range s.secrets.byName {
		if !st.renew.IsZero() && !now.Before(st.renew) {
			st.renew = time.Time{}
			s.secrets.ask(st)
		}
	}
}

// onSecretsChanged asks for all secrets anew, because roots or taints changed.
func (s *session) onSecretsChanged() {
	for _, st := range s.secrets.byName {
		if !st.dropped {
			st.notBefore = time.Time{}
			s.secrets.ask(st)
		}
	}
}

// nextSecret returns the secret to ask for now; the answer goes to onSecret. The roots come first, and until the
// client has acknowledged them no leaf is even signed.
func (s *session) nextSecret(now time.Time) (name, have string, ok bool) {
	b := &s.secrets
	if b.fetching != "" || s.draining || !b.wanted() {
		return "", "", false
	}
	roots := b.byName[RootsName]
	if roots != nil && (roots.want || roots.sending != "") {
		if roots.sending != "" || now.Before(roots.notBefore) {
			return "", "", false
		}
		b.fetch(RootsName, now)
		return RootsName, roots.have, true
	}
	if s.rootsRefused() {
		return "", "", false
	}
	for _, name := range sortedKeys(b.byName) {
		if st := b.byName[name]; st.want && !now.Before(st.notBefore) {
			b.fetch(name, now)
			return name, st.have, true
		}
	}
	return "", "", false
}

// fetch notes that a secret is being asked for. The pause begins here, because the client may have dropped the
// name when the answer comes.
func (b *secretBook) fetch(name string, now time.Time) {
	b.fetching = name
	b.byName[name].notBefore = now.Add(secretPause)
}

func (s *session) rootsRefused() bool {
	_, refused := s.types[cache.Secret].parked[RootsName]
	return refused
}

// onSecret takes the answer to what nextSecret asked.
func (s *session) onSecret(now time.Time, secret Secret, err error) {
	b := &s.secrets
	name := b.fetching
	b.fetching = ""
	st := b.byName[name]
	if st == nil || st.dropped {
		return // The client does not want it any more.
	}
	t := s.stir(cache.Secret)
	switch {
	case errors.Is(err, ErrNoSecret):
		st.want = false
		s.enqueue(t, entry{name: name, asked: true}, false)
	case err != nil:
		st.failures++
		st.notBefore = now.Add(min(secretPause<<min(st.failures-1, 5), maxSecretPause))
	default:
		st.want, st.failures = false, 0
		st.notBefore = now.Add(secretPause)
		st.renew, st.expires = secret.Renew, secret.Expires
		s.sendSecret(t, name, st, secret)
	}
	s.pump(now)
}

func (s *session) sendSecret(t *typeState, name string, st *secretState, secret Secret) {
	if secret.Body.IsZero() {
		t.awaited.pay(name) // The client keeps what it has.
		return
	}
	res := cache.NewResource(cache.ResourceConfig{
		Type: cache.Secret, Name: name, Version: secret.Version, Body: secret.Body.Reveal(),
	})
	delete(t.parked, name)
	st.sending = res.Version()
	s.enqueue(t, entry{name: name, res: res, had: had{version: st.have}, asked: true}, false)
}

// withoutBody is what is kept of a refused secret.
func withoutBody(res *cache.Resource) *cache.Resource {
	return cache.NewResource(cache.ResourceConfig{Type: res.Type(), Name: res.Name(), Version: res.Version()})
}
