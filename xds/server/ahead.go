package server

import (
	"unsafe"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/internal/prefetch"
	"outrigger.dev/outrigger/xds/transport"
)

// warm has the processor fetch what the turns of these streams touch.
func warm(streams []*stream) {
	for step := range 2 + transport.Steps {
		for _, st := range streams {
			st.Ahead(step)
		}
	}
}

// Ahead has the processor fetch what a turn of the stream touches: itself, what it drives, and what carries its messages.
func (st *stream) Ahead(step int) {
	switch {
	case step == 0:
		prefetch.Of(st)
	case !st.live.Load(): // It is not known yet what it drives.
	case step == 1:
		prefetch.Of(st.sub)
		if st.delta != nil {
			st.delta.warm()
		}
		st.carrier.ahead(0)
	default:
		st.carrier.ahead(step - 1)
	}
}

// warm has the processor fetch what every event looks at, and what most changes are of.
func (s *session) warm() {
	prefetch.Head(s, unsafe.Offsetof(s.types))
	prefetch.Of(&s.types[cache.Endpoints])
}
