//go:build amd64 || arm64

package prefetch

import "unsafe"

// lines asks for the lines of memory that hold so many bytes from p on, at least for one.
//
//go:noescape
func lines(p unsafe.Pointer, size uintptr)
