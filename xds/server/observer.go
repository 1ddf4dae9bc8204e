package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// Observer is told what the engine does, for metrics. Its methods are called
// from many goroutines and must not block.
type Observer interface {
	// Opened says that an authenticated stream began.
	Opened(peer Peer)
	// Closed says that an opened stream ended, and why: one word or two of a small fixed set.
	Closed(peer Peer, reason string)
	// Refused says that a stream was not let in, or a message not accepted, and why.
	Refused(reason string)
	// Pushed says that a response was handed to the transport.
	Pushed(push Push)
	// Acked says that a response of the type was acknowledged, how long after it was made.
	Acked(typ cache.Type, after time.Duration)
	// Nacked says that a response was refused.
	Nacked(nack Nack)
	// Queued says how long a change waited on the stream before its turn came.
	Queued(wait time.Duration)
	// Panicked says that a stream ended by a fault of ours.
	Panicked(peer Peer)
}

// Push describes one response.
type Push struct {
	Type cache.Type
	// Resources and Removed count the members.
	Resources, Removed int
	// Bytes is the size of the message.
	Bytes int
}

// Nack describes a refused response.
type Nack struct {
	Peer Peer
	Type cache.Type
	// Agent is the client's version, such as "envoy/1.40.0".
	Agent string
	// Resource, Version and Owner are set when the refused resource stands alone: it is parked then.
	Resource, Version, Owner string
	// Members counts what the response held.
	Members int
	// Error is the client's text, at most 1 KB.
	Error string
	// Muted says that the stream has had its share of log lines about refusals: this one is counted only.
	Muted bool
}

// isFinal reports whether nothing is tried again: a resource that stands alone, or an answer to nothing of ours.
func (n Nack) isFinal() bool { return n.Resource != "" || n.Members == 0 }

// Reasons for Observer.Closed and Observer.Refused.
const (
	ReasonClient      = "client"
	ReasonDrained     = "drained"
	ReasonSlow        = "slow"
	ReasonNoACK       = "no-ack"
	ReasonRemoved     = "workload-removed"
	ReasonPanic       = "panic"
	ReasonInvalid     = "invalid"
	ReasonLimit       = "limit"
	ReasonCredentials = "unauthenticated"
	ReasonDenied      = "denied"
	ReasonUnknown     = "unknown-workload"
	ReasonUnavailable = "unavailable"
	ReasonBusy        = "busy"
	ReasonMemory      = "memory"
	ReasonSuperseded  = "superseded"
	ReasonSilent      = "silent"
)

// noObserver ignores everything.
type noObserver struct{}

func (noObserver) Opened(Peer)                     {}
func (noObserver) Closed(Peer, string)             {}
func (noObserver) Refused(string)                  {}
func (noObserver) Pushed(Push)                     {}
func (noObserver) Acked(cache.Type, time.Duration) {}
func (noObserver) Nacked(Nack)                     {}
func (noObserver) Queued(time.Duration)            {}
func (noObserver) Panicked(Peer)                   {}
