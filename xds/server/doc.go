// Package server is the xDS engine: it serves the snapshots of xds/cache, and
// the secrets of one peer, to Envoys over aggregated delta discovery (ADS), and
// the snapshots to gRPC programs over its state-of-the-world form.
//
// It may import xds/cache, xds/transport, xds/internal/prefetch, the discovery stubs of go-control-plane, gRPC's statuses and
// protobuf; of ours nothing else. What it needs besides it declares as small
// interfaces: [Authenticator], [Secrets], [Observer].
//
// It never encodes a resource, never sends a type before the client asked for
// it, never repeats content that a client refused, never blocks whoever
// publishes, and never shows a secret in a log, an error or a view.
//
// # How a stream works
//
// A session is the state machine of one stream: it reads no clock and does no
// I/O, and every event (a request, a newer snapshot, a timer, a secret) returns
// the responses to send. A stream is what stands around it: whoever has something for it takes
// its turn, owns it and does all that follows.
//
// A session brings its client from snapshot to snapshot in rounds. A round
// sends what differs in steps: clusters, endpoints, secrets, listeners, routes,
// each with one response in flight. A step is complete when all that was sent
// is acknowledged and every name that it references was answered on this
// stream; removals come last. What Envoy waits for before it acknowledges a cluster, its assignment, goes ahead, and while it does, so do assignments of
// clusters that stand. Other publications that arrive meanwhile are merged into the next round. What the client has is therefore a pointer to a snapshot
// and a small difference: queues, refused contents, pending removals.
//
// The files: session.go (events and rounds), step.go (what may go when),
// subscription.go and names.go (who asked for what), queue.go, batches.go (what goes by itself), urgent.go and overtake.go (what goes ahead), respond.go (from
// queue to response), flight.go (ACK), refuse.go (NACK: halving, parking),
// withhold.go, removal.go, sds.go; opening.go, stream.go, turns.go (who is at it), ahead.go (memory that is about to be touched), mailbox.go, inquiry.go;
// carrier.go, parcel.go, nonces.go, request.go and response.go (the wire).
//
// Programs of gRPC have a state machine of their own, sotwSession, which a stream
// drives by the same interface (machine.go): sotw_session.go (events), sotw_type.go
// (what is known of a type), sotw_send.go, sotw_answer.go (ACK and NACK),
// sotw_removal.go, sotw_version.go; sotw_request.go and sotw_response.go (the wire).
package server
