package prefetch

import "unsafe"

// Of asks for all of a value, but for what it points to. p may be nil.
func Of[T any](p *T) { lines(unsafe.Pointer(p), unsafe.Sizeof(*p)) }

// Head asks for the first so many bytes of a value.
func Head[T any](p *T, size uintptr) { lines(unsafe.Pointer(p), min(size, unsafe.Sizeof(*p))) }
