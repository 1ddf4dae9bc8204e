package server

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

var errNotUTF8 = errors.New("a string is not UTF-8")

// walk goes over the fields of a message that hold bytes, in order; others are skipped.
type walk struct {
	b  []byte
	at int
	// field is the present one; its value is b[from:to].
	field    protowire.Number
	from, to int
	err      error
}

// next goes to the next field; false means that there is none, or that err says what is wrong.
func (w *walk) next() bool {
	for w.at < len(w.b) {
		if w.short() || w.long() {
			return true
		}
		if w.err != nil {
			return false
		}
	}
	return false
}

func (w *walk) value() []byte { return w.b[w.from:w.to] }

// short takes a field of bytes whose tag and length are of one byte each, as those of nearly all names are.
func (w *walk) short() bool {
	if w.at+2 > len(w.b) {
		return false
	}
	tag, size := w.b[w.at], int(w.b[w.at+1])
	from := w.at + 2
	if tag >= 0x80 || tag>>3 == 0 || protowire.Type(tag&7) != protowire.BytesType || size >= 0x80 || size > len(w.b)-from {
		return false
	}
	w.field, w.from, w.to, w.at = protowire.Number(tag>>3), from, from+size, from+size
	return true
}

// alike goes over the fields that follow the present one and are short and of its number, as a list's are, and returns
// how many there are.
func (w *walk) alike() (n int) {
	tag, b := byte(w.field)<<3|byte(protowire.BytesType), w.b
	at := w.at
	for at+2 <= len(b) && b[at] == tag && b[at+1] < 0x80 && int(b[at+1]) <= len(b)-at-2 {
		at += 2 + int(b[at+1])
		n++
	}
	w.at = at
	return n
}

// long takes any field, and reports whether it holds bytes.
func (w *walk) long() bool {
	field, kind, n := protowire.ConsumeTag(w.b[w.at:])
	if n < 0 {
		w.err = fmt.Errorf("message: %w", protowire.ParseError(n))
		return false
	}
	w.at += n
	if n = protowire.ConsumeFieldValue(field, kind, w.b[w.at:]); n < 0 {
		w.err = fmt.Errorf("message: field %d: %w", field, protowire.ParseError(n))
		return false
	}
	w.at += n
	if kind != protowire.BytesType {
		return false
	}
	value, _ := protowire.ConsumeBytes(w.b[w.at-n : w.at])
	w.field, w.from, w.to = field, w.at-len(value), w.at
	return true
}

// fields calls visit for every field that holds bytes.
func fields(b []byte, visit func(field protowire.Number, value []byte) error) error {
	w := walk{b: b}
	for w.next() {
		if err := visit(w.field, w.value()); err != nil {
			return err
		}
	}
	return w.err
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
