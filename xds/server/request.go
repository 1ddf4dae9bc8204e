package server

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"outrigger.dev/outrigger/xds/cache"
)

// request is what the engine reads of a DeltaDiscoveryRequest. Its names and versions hold good until it is used again: who keeps one
// clones it, or has the same of a resource.
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
	nonce       nonce
	refused     bool // there is an error_detail
	problem     string
	// text is the memory that names and versions lie in.
	text []byte
}

// maxKeptNames and maxKeptText bound what is kept to be used again, in names and in bytes: more than a mesh of thousands needs, as lists
// that grow have room for more than is in them.
const (
	maxKeptNames = 8192
	maxKeptText  = 64 * maxKeptNames
)

// reset makes it an empty request, which has the room that it had: a first request names all that a proxy has. Names that
// somebody kept are zeros from now on.
func (r *request) reset(first bool) {
	*r = request{
		first: first, text: emptied(r.text, maxKeptText),
		subscribe: emptied(r.subscribe, maxKeptNames), unsubscribe: emptied(r.unsubscribe, maxKeptNames), versions: emptied(r.versions, maxKeptNames),
	}
}

// emptied returns the list without what is in it; nothing of one that has room for more than most.
func emptied[T any](list []T, most int) []T {
	if cap(list) > most {
		return nil
	}
	clear(list)
	return list[:0]
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

// decode reads a message. It keeps nothing of the bytes but a copy of the part that holds names and versions, which they
// all share; it looks at the node only in the first message and skips what the engine does not use.
func (r *request) decode(b []byte) error {
	k, err := r.prepare(b)
	if err != nil {
		return err
	}
	w := walk{b: b}
	for w.next() {
		if err := r.take(&w, k); err != nil {
			return err
		}
	}
	return w.err
}

// prepare makes room for all names and versions of a message, and copies the part that holds them.
func (r *request) prepare(b []byte) (keeper, error) {
	var subscribe, unsubscribe, versions int
	from, to := len(b), 0
	w := walk{b: b}
	for w.next() {
		first := w.from
		switch w.field {
		case requestSubscribe:
			subscribe += 1 + w.alike()
		case requestUnsubscribe:
			unsubscribe += 1 + w.alike()
		case requestVersions:
			versions += 1 + w.alike()
		default:
			continue
		}
		from, to = min(from, first), w.at
	}
	if w.err != nil || to == 0 {
		return keeper{}, w.err
	}
	r.subscribe, r.unsubscribe = slices.Grow(r.subscribe, subscribe), slices.Grow(r.unsubscribe, unsubscribe)
	r.versions = slices.Grow(r.versions, versions)
	return r.keeper(b[from:to], from), nil
}

// take reads one field.
func (r *request) take(w *walk, k keeper) (err error) {
	switch w.field {
	case requestNode:
		return r.decodeNode(w.value())
	case requestTypeURL:
		return r.setType(w.value())
	case requestSubscribe:
		r.subscribe, err = k.append(r.subscribe, w.from, w.to)
	case requestUnsubscribe:
		r.unsubscribe, err = k.append(r.unsubscribe, w.from, w.to)
	case requestVersions:
		var h held
		h, err = decodeHeld(w, k)
		r.versions = append(r.versions, h)
	case requestNonce:
		return r.setNonce(w.value())
	case requestError:
		r.refused = true
		return r.decodeError(w.value())
	}
	return err
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

func (r *request) setNonce(value []byte) error {
	if !utf8.Valid(value) {
		return errNotUTF8
	}
	r.nonce = nonceOf(value)
	return nil
}

// decodeHeld reads an entry of initial_resource_versions, at which w stands.
func decodeHeld(w *walk, k keeper) (h held, err error) {
	if name, version, ok := pair(w.b, w.from, w.to); ok && k.plain {
		return held{name: k.part(w.from+2, name), version: k.part(name+2, version)}, nil
	}
	entry := walk{b: w.b[:w.to], at: w.from}
	for err == nil && entry.next() {
		switch entry.field {
		case 1:
			h.name, err = k.keep(entry.from, entry.to)
		case 2:
			h.version, err = k.keep(entry.from, entry.to)
		}
	}
	return h, cmp.Or(err, entry.err)
}

// pair tells where the name and the version of an entry end that has both and nothing else, each with a tag and a length
// of one byte.
func pair(b []byte, from, to int) (name, version int, ok bool) {
	const nameTag, versionTag = 1<<3 | byte(protowire.BytesType), 2<<3 | byte(protowire.BytesType)
	if from+4 > to || b[from] != nameTag || b[from+1] >= 0x80 {
		return 0, 0, false
	}
	name = from + 2 + int(b[from+1])
	if name+2 > to || b[name] != versionTag || b[name+1] >= 0x80 {
		return 0, 0, false
	}
	version = name + 2 + int(b[name+1])
	return name, version, version == to
}

// decodeError reads the message of a google.rpc.Status, bounded.
func (r *request) decodeError(b []byte) error {
	return fields(b, func(field protowire.Number, value []byte) error {
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
	err := fields(b, func(field protowire.Number, value []byte) error {
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
	err := fields(b, func(field protowire.Number, value []byte) error {
		if field != 1 {
			return nil
		}
		return numbers(value, parts[:])
	})
	return strconv.FormatUint(parts[1], 10) + "." + strconv.FormatUint(parts[2], 10) + "." + strconv.FormatUint(parts[3], 10), err
}
