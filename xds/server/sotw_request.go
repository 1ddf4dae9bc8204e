package server

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

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
	r := (*request)(q)
	keep := keeper(b)
	return fields(b, func(field protowire.Number, value []byte, at int) error {
		switch field {
		case sotwRequestVersion:
			version, err := keep(value, at)
			if r.versions = nil; version != "" {
				r.versions = []held{{version: version}}
			}
			return err
		case sotwRequestNode:
			return r.decodeNode(value)
		case sotwRequestNames:
			name, err := keep(value, at)
			r.subscribe = append(r.subscribe, name)
			return err
		case sotwRequestTypeURL:
			return r.setType(value)
		case sotwRequestNonce:
			return text(&r.nonce, value)
		case sotwRequestError:
			r.refused = true
			return r.decodeError(value)
		}
		return nil
	})
}

// stateVersion returns the version that a state-of-the-world request says the client has, empty if none.
func (r *request) stateVersion() string {
	if len(r.versions) == 0 {
		return ""
	}
	return r.versions[0].version
}

// keeper returns a function that keeps values of a message: all share one copy of it, made with the first.
func keeper(b []byte) func(value []byte, at int) (string, error) {
	var shared string
	return func(value []byte, at int) (string, error) {
		if !utf8.Valid(value) {
			return "", errNotUTF8
		}
		if shared == "" {
			shared = string(b)
		}
		return shared[at : at+len(value)], nil
	}
}
