// Package prefetch asks the processor for memory that will be touched soon.
//
// What a control plane does for a stream is short, and what it touches of it has left the processor's caches since the last
// time: with thousands of streams, it waits for memory longer than it computes. Who works through many streams asks for what
// the next ones need first, and then waits for all of it at once (docs/decisions/0030).
//
// It imports reflect only. It reads nothing and changes nothing: what others write at the same time may be asked for, and asking for what
// is not used costs a nanosecond for each line. Where the processor has no word for it here, it does nothing.
package prefetch
