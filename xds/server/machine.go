package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// machine is the state machine of one stream, in either form of the protocol: what a stream drives. It has no goroutine,
// clock or I/O; one goroutine at a time calls it.
type machine interface {
	// onRequest takes one message. The error, a gRPC status, ends the stream; so does that of onTimer.
	onRequest(now time.Time, r *request) error
	onSnapshot(now time.Time, snapshot *cache.Snapshot)
	onSynced(now time.Time)
	// unsynced says, before all else, that what is missing may only not have been told yet; onSynced, that it has.
	unsynced()
	onDrain()
	onTimer(now time.Time) error
	// deadline is when onTimer is to be called; zero if never.
	deadline(now time.Time) time.Time

	// take returns the responses to be sent, in order, which holds good until the next event; waiting counts those that were not taken.
	take() []*response
	waiting() int
	// idle reports whether no response is in flight.
	idle() bool
	// begun reports whether the first exchange is over: the client asked for listeners, and nothing waits to be sent.
	begun() bool
	// sees is the newest snapshot that the machine knows; drains that nothing new is begun.
	sees() *cache.Snapshot
	drains() bool
	// unasked counts the requests that answered nothing of ours.
	unasked() uint64
	// sentAt is the last publication of which nothing is left to be sent, once what was taken is.
	sentAt() cache.Rev
	// settledAt is the last publication that the client has all of that it will get.
	settledAt() cache.Rev
	// describe fills in what the machine knows.
	describe(info *StreamInfo)
}
