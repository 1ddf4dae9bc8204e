package server

import (
	"slices"
	"unsafe"
)

// lend hands out a request as a wire does: its names and versions are zeros afterwards, wherever somebody kept one.
func lend(r *request, to func(*request) error) error {
	var text []byte
	lent := *r
	size := 0
	for _, s := range texts(&lent) {
		size += len(*s)
	}
	text = make([]byte, 0, size)
	for _, s := range texts(&lent) {
		from := len(text)
		text = append(text, *s...)
		*s = unsafe.String(unsafe.SliceData(text[from:]), len(*s))
	}
	lent.text = text
	err := to(&lent)
	lent.reset(false)
	return err
}

// texts gives the request lists of its own, and returns all that is in them.
func texts(r *request) []*string {
	r.subscribe, r.unsubscribe, r.versions = slices.Clone(r.subscribe), slices.Clone(r.unsubscribe), slices.Clone(r.versions)
	var all []*string
	for i := range r.subscribe {
		all = append(all, &r.subscribe[i])
	}
	for i := range r.unsubscribe {
		all = append(all, &r.unsubscribe[i])
	}
	for i := range r.versions {
		all = append(all, &r.versions[i].name, &r.versions[i].version)
	}
	return all
}
