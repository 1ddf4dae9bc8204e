package prefetch

import (
	"reflect"
	"unsafe"
)

// Place is memory of a value whose type is not ours.
type Place struct {
	at   unsafe.Pointer
	size uintptr
}

// Behind is where a pointer leads to, or an interface that holds one; of anything else, and of nil, it is no place.
func Behind(v reflect.Value) Place {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return Place{}
	}
	return Place{at: v.UnsafePointer(), size: v.Type().Elem().Size()}
}

// Ask asks for all of it, but for what it points to. No place is nothing.
func (p Place) Ask() { lines(p.at, p.size) }

// Size is how many bytes it has; 0: it is no place.
func (p Place) Size() int { return int(p.size) }
