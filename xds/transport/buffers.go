package transport

import (
	"slices"
	"sync"
)

// Buffers are lent by size: most messages are small, a frame is what is read at once, batches of them are what a write
// takes, and a first request is as long as its names.
const (
	smallBuffer = 4 << 10
	frameBuffer = frameHead + frameBytes
	batchBuffer = batch + 8<<10
	largeBuffer = 2 * batchBuffer
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	frameBuffers = sync.Pool{New: func() any { return new([frameBuffer]byte) }}
	batchBuffers = sync.Pool{New: func() any { return new([batchBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// takeBuffer returns an empty buffer with room for size bytes; it grows as any slice.
func takeBuffer(size int) []byte {
	switch {
	case size <= smallBuffer:
		return smallBuffers.Get().(*[smallBuffer]byte)[:0]
	case size <= frameBuffer:
		return frameBuffers.Get().(*[frameBuffer]byte)[:0]
	case size <= batchBuffer:
		return batchBuffers.Get().(*[batchBuffer]byte)[:0]
	case size <= largeBuffer:
		return largeBuffers.Get().(*[largeBuffer]byte)[:0]
	default:
		return make([]byte, 0, size)
	}
}

// giveBuffer takes a buffer back. Nobody may use it any more.
func giveBuffer(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case frameBuffer:
		frameBuffers.Put((*[frameBuffer]byte)(b[:frameBuffer]))
	case batchBuffer:
		batchBuffers.Put((*[batchBuffer]byte)(b[:batchBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}

// growBuffer returns b with room for more bytes, in another buffer where it has none; b may be nil.
func growBuffer(b []byte, more int) []byte {
	if cap(b)-len(b) >= more {
		return b
	}
	if len(b)+more > largeBuffer {
		return slices.Grow(b, more)
	}
	bigger := append(takeBuffer(len(b)+more), b...)
	giveBuffer(b)
	return bigger
}
