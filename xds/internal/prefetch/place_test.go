package prefetch_test

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"outrigger.dev/outrigger/xds/internal/prefetch"
)

func TestBehind(t *testing.T) {
	value := struct {
		reader  io.Reader // an interface that holds a pointer
		nothing io.Reader
		null    *strings.Reader
		number  int
		nested  any
	}{reader: strings.NewReader("x"), nested: &[3]uint64{1, 2, 3}}
	of := reflect.ValueOf(&value).Elem()
	for name, want := range map[string]int{
		"reader": int(reflect.TypeFor[strings.Reader]().Size()), "nothing": 0, "null": 0, "number": 0, "nested": 24,
	} {
		place := prefetch.Behind(of.FieldByName(name))
		if place.Size() != want {
			t.Errorf("behind %s are %d bytes, want %d", name, place.Size(), want)
		}
		place.Ask()
	}
	prefetch.Behind(reflect.Value{}).Ask()
}
