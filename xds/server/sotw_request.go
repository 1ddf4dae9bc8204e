package server

// sotwRequest is a request as a DiscoveryRequest carries it: subscribe holds all names that the client wants, and
// versions one entry without a name, the version of the type, unless that is empty.
type sotwRequest request

// Fields of DiscoveryRequest.
const (
	sotwRequestVersion = 1
	sotwRequestNode    = 2
	sotwRequestNames   = 3
	sotwRequestTypeURL = 4
	sotwRequestNonce   = 5
	sotwRequestError   = 6
)

// decode reads a message as request.decode does.
func (q *sotwRequest) decode(b []byte) error {
	k := (*request)(q).keeper(b, 0)
	w := walk{b: b}
	for w.next() {
		if err := q.take(&w, k); err != nil {
			return err
		}
	}
	return w.err
}

// take reads one field.
func (q *sotwRequest) take(w *walk, k keeper) (err error) {
	r := (*request)(q)
	switch w.field {
	case sotwRequestVersion:
		version, err := k.keep(w.from, w.to)
		if r.versions = r.versions[:0]; version != "" {
			r.versions = append(r.versions, held{version: version})
		}
		return err
	case sotwRequestNode:
		return r.decodeNode(w.value())
	case sotwRequestNames:
		r.subscribe, err = k.append(r.subscribe, w.from, w.to)
	case sotwRequestTypeURL:
		return r.setType(w.value())
	case sotwRequestNonce:
		return r.setNonce(w.value())
	case sotwRequestError:
		r.refused = true
		return r.decodeError(w.value())
	}
	return err
}

// stateVersion returns the version that a state-of-the-world request says the client has, empty if none.
func (r *request) stateVersion() string {
	if len(r.versions) == 0 {
		return ""
	}
	return r.versions[0].version
}
