package server

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"outrigger.dev/outrigger/xds/cache"
)

// request is what the engine reads of a DeltaDiscoveryRequest.
type request struct {
	// first asks the decoder for the node: only a stream's first message is believed about it.
	first bool
	node  *node
	// malformed is what is wrong with a message that cannot be read.
	malformed error

	typ   cache.Type
	known bool // typ is one that is served
	// url is set when the type is not known.
	url         string
	subscribe   []string
	unsubscribe []string
	versions    []held // initial_resource_versions
	nonce       string
	refused     bool // there is an error_detail
	problem     string
}

// held is a resource that the client has from an earlier stream.
type held struct{ name, version string }

// node is what the engine reads of a Node.
type node struct {
	id, cluster string
	agent       string // "envoy/1.40.0"
}

// Fields of DeltaDiscoveryRequest.
const (
	requestNode        = 1
	requestTypeURL     = 2
	requestSubscribe   = 3
	requestUnsubscribe = 4
	requestVersions    = 5
	requestNonce       = 6
	requestError       = 7
)

var errNotUTF8 = errors.New("a string is not UTF-8")

// decode reads a message. It keeps nothing of the bytes but a copy, which all names and versions share; it
// looks at the node only in the first message and skips what the engine does not use.
func (r *request) decode(b []byte) error {
	var shared string
	keep := func(value []byte, at int) (string, error) {
		if !utf8.Valid(value) {
			return "", errNotUTF8
		}
		if shared == "" {
			shared = string(b)
		}
		return shared[at : at+len(value)], nil
	}
	return fields(b, func(field protowire.Number, value []byte, at int) error {
		var name string
		var err error
		switch field {
		case requestNode:
			return r.decodeNode(value)
		case requestTypeURL:
			return r.setType(value)
		case requestSubscribe:
			name, err = keep(value, at)
			r.subscribe = append(r.subscribe, name)
		case requestUnsubscribe:
			name, err = keep(value, at)
			r.unsubscribe = append(r.unsubscribe, name)
		case requestVersions:
			var h held
			h, err = decodeHeld(value, at, keep)
			r.versions = append(r.versions, h)
		case requestNonce:
			return text(&r.nonce, value)
		case requestError:
			r.refused = true
			return r.decodeError(value)
		}
		return err
	})
}

func (r *request) setType(url []byte) error {
	for t := range cache.Type(cache.NumTypes) {
		if string(url) == t.URL() {
			r.typ, r.known, r.url = t, true, ""
			return nil
		}
	}
	r.known = false
	return text(&r.url, url)
}

// decodeHeld reads an entry of initial_resource_versions.
func decodeHeld(entry []byte, at int, keep func([]byte, int) (string, error)) (held, error) {
	var h held
	err := fields(entry, func(field protowire.Number, value []byte, inner int) error {
		var err error
		switch field {
		case 1:
			h.name, err = keep(value, at+inner)
		case 2:
			h.version, err = keep(value, at+inner)
		}
		return err
	})
	return h, err
}

// decodeError reads the message of a google.rpc.Status, bounded.
func (r *request) decodeError(b []byte) error {
	return fields(b, func(field protowire.Number, value []byte, _ int) error {
		if field != 2 {
			return nil
		}
		return shown(&r.problem, clip(value, maxProblem))
	})
}

// shown reads a text that operators will see: what a terminal would obey is left out, on one line.
func shown(into *string, value []byte) error {
	if err := text(into, value); err != nil {
		return err
	}
	*into = strings.TrimSpace(strings.Map(printable, *into))
	return nil
}

func printable(r rune) rune {
	switch {
	case unicode.IsPrint(r):
		return r
	case unicode.IsSpace(r):
		return ' '
	default:
		return -1
	}
}

// maxProblem bounds what is kept of a client's error text.
const maxProblem = 1024

// clip cuts a text without cutting a character.
func clip(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// decodeNode reads id, cluster and version; metadata and extensions, tens of kilobytes, are skipped.
func (r *request) decodeNode(b []byte) error {
	if !r.first {
		return nil
	}
	n := &node{}
	var name, version string
	err := fields(b, func(field protowire.Number, value []byte, _ int) error {
		switch field {
		case 1:
			return text(&n.id, value)
		case 2:
			return text(&n.cluster, value)
		case 6:
			return shown(&name, clip(value, maxAgent))
		case 7:
			return shown(&version, clip(value, maxAgent))
		case 8:
			var err error
			version, err = buildVersion(value)
			return err
		}
		return nil
	})
	n.agent = name + "/" + version
	r.node = n
	return err
}

const maxAgent = 64

// buildVersion reads the semantic version of a BuildVersion.
func buildVersion(b []byte) (string, error) {
	var parts [4]uint64
	err := fields(b, func(field protowire.Number, value []byte, _ int) error {
		if field != 1 {
			return nil
		}
		return numbers(value, parts[:])
	})
	return strconv.FormatUint(parts[1], 10) + "." + strconv.FormatUint(parts[2], 10) + "." + strconv.FormatUint(parts[3], 10), err
}

// fields calls visit for every field that holds bytes, with where in b they are; others are skipped.
func fields(b []byte, visit func(field protowire.Number, value []byte, at int) error) error {
	for at := 0; at < len(b); {
		field, kind, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return fmt.Errorf("message: %w", protowire.ParseError(n))
		}
		at += n
		if n = protowire.ConsumeFieldValue(field, kind, b[at:]); n < 0 {
			return fmt.Errorf("message: field %d: %w", field, protowire.ParseError(n))
		}
		if kind == protowire.BytesType {
			value, whole := protowire.ConsumeBytes(b[at:])
			if err := visit(field, value, at+whole-len(value)); err != nil {
				return err
			}
		}
		at += n
	}
	return nil
}

// numbers reads the varint fields of a message into the slots of their numbers.
func numbers(b []byte, slots []uint64) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("message: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if kind == protowire.VarintType && int(field) < len(slots) {
			slots[field], n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return fmt.Errorf("message: field %d: %w", field, protowire.ParseError(n))
		}
		b = b[n:]
	}
	return nil
}

func text(into *string, value []byte) error {
	if !utf8.Valid(value) {
		return errNotUTF8
	}
	*into = string(value)
	return nil
}
