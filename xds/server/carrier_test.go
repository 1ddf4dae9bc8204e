package server

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/transport"
)

// shelf is a link that keeps messages which it was given, as they were and as they are.
type shelf struct {
	accepts  bool
	said     []string
	is       [][][]byte
	was      [][]byte
	accepted [][]byte
}

func (*shelf) Tell(transport.Events)    {}
func (*shelf) Ahead(int)                {}
func (*shelf) End(error)                {}
func (*shelf) Context() context.Context { return context.Background() }

func (s *shelf) Receive(read func(message []byte)) (bool, error) {
	if len(s.said) == 0 {
		return false, nil
	}
	read([]byte(s.said[0]))
	s.said = s.said[1:]
	return true, nil
}

func (s *shelf) Send(messages ...[][]byte) bool {
	for _, m := range messages {
		if s.accepts {
			s.accepted = append(s.accepted, bytes.Join(m, nil))
			continue
		}
		s.is, s.was = append(s.is, slices.Clone(m)), append(s.was, bytes.Join(m, nil))
	}
	return s.accepts
}

// TestWaitingMessagesStay: what could not be written at once is not changed by what is sent afterwards, whatever of that is
// made of memory that is used again.
func TestWaitingMessagesStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &shelf{}
		w, heads := newDeltaWire(s), newHeads("outrigger")
		var want [][]byte
		for i := range rapid.IntRange(1, 40).Draw(t, "sends") {
			var out []*response
			s.accepts = rapid.Bool().Draw(t, "accepts")
			for range rapid.IntRange(1, 3).Draw(t, "responses") {
				out = append(out, numbered(heads, i))
				if s.accepts {
					want = append(want, bytes.Join(numbered(heads, i).chunks(nil), nil))
				}
			}
			w.send(out)
		}
		if !slices.EqualFunc(s.accepted, want, bytes.Equal) {
			t.Fatalf("accepted %q, want %q", s.accepted, want)
		}
		for i := range s.is {
			if is := bytes.Join(s.is[i], nil); !bytes.Equal(is, s.was[i]) {
				t.Fatalf("%q became %q", s.was[i], is)
			}
		}
	})
}

// numbered is a response with as many members as i says, and as long a list of removals.
func numbered(heads *heads, i int) *response {
	var m members
	var removed []string
	for j := range i % 7 {
		res := cache.NewResource(cache.ResourceConfig{Type: cache.Endpoints, Name: fmt.Sprint("e", j), Body: fmt.Append(nil, i)})
		m.entries = append(m.entries, entry{name: res.Name(), res: res})
		removed = append(removed, strings.Repeat("r", 100))
	}
	r := newResponse(Push{Type: cache.Endpoints, Resources: len(m.entries)}, m)
	r.frame(heads.typed[cache.Endpoints], nonceOf(fmt.Sprint(i)), cache.Rev(i), removed)
	return r
}

// TestWireForgets: nothing is kept of a message, whose names may be many, once the next was asked for.
func TestWireForgets(t *testing.T) {
	w := newDeltaWire(&shelf{said: []string{"\x1a\x01a", "\x1a\x01b"}})
	for _, want := range []string{"a", "b"} {
		r, err := w.receive(false)
		if err != nil || !slices.Equal(r.subscribe, []string{want}) {
			t.Fatalf("subscribes to %q, %v", r.subscribe, err)
		}
	}
	if r, err := w.receive(false); r != nil || err != nil || w.last != nil {
		t.Fatalf("got %v, %v, kept %v", r, err, w.last)
	}
}

// TestNonces: a nonce is that of the text that it was made of, and one that is longer than ours are is none of ours.
func TestNonces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours := nonceFrom(newNonceSource())
		if !ours.some() || nonceOf(ours.bytes()) != ours || ours == foreign {
			t.Fatalf("nonce %q", ours.bytes())
		}
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		one, other := nonceOf(a), nonceOf([]byte(b))
		if len(a) <= nonceBytes && (one == other) != (a == b) {
			t.Fatalf("%q and %q: same %t", a, b, one == other)
		}
		if (one == foreign) != (len(a) > nonceBytes) || one.some() != (a != "") {
			t.Fatalf("%q: foreign %t, some %t", a, one == foreign, one.some())
		}
	})
}
