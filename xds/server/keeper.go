package server

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// keeper gives out parts of a message as strings that share one copy of it, which is the request's.
type keeper struct {
	copied string
	at     int // where in the message the copy begins
	// plain says that all is ASCII, so that no part has to be looked at alone.
	plain bool
}

// keeper copies a part of a message that begins at a place of it. The copy is written again when the request is used again; until then
// nobody writes it.
func (r *request) keeper(b []byte, at int) keeper {
	r.text = append(r.text[:0], b...)
	return keeper{copied: unsafe.String(unsafe.SliceData(r.text), len(r.text)), at: at, plain: isASCII(b)}
}

// keep returns the part of the message from one place to another.
func (k keeper) keep(from, to int) (string, error) {
	part := k.part(from, to)
	if !k.plain && !utf8.ValidString(part) {
		return "", errNotUTF8
	}
	return part, nil
}

func (k keeper) part(from, to int) string { return k.copied[from-k.at : to-k.at] }

func (k keeper) append(list []string, from, to int) ([]string, error) {
	part, err := k.keep(from, to)
	return append(list, part), err
}

func isASCII(b []byte) bool {
	const high = 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
