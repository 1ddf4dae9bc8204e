package server

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// awaitTurn subscribes the stream to what its node sees, and waits until it may begin.
func (st *stream) awaitTurn(ctx context.Context) error {
	sub, err := st.server.config.Store.Subscribe(st.peer.Node, st.wake)
	if err != nil {
		return st.unknown()
	}
	st.sub = sub
	snapshot, ok := sub.Current()
	if !ok {
		return st.unknown()
	}
	if err := st.server.gate.enter(ctx, st.server.draining, costOf(snapshot)); err != nil {
		return err
	}
	st.inGate, st.gateDue = true, time.Now().Add(openingHold)
	return nil
}

// first waits for the first message and checks whose it is. Who says nothing for long keeps nobody waiting.
func (st *stream) first(ctx context.Context) (*request, error) {
	timer, hold := time.NewTimer(st.server.config.Timing.First), time.NewTimer(time.Until(st.gateDue))
	defer timer.Stop()
	defer hold.Stop()
	for {
		switch r, err := st.carrier.receive(true); {
		case err != nil:
			return nil, err
		case r != nil:
			return r, st.checkNode(r)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-st.server.draining:
			return nil, closed(ReasonDrained, errDraining)
		case <-timer.C:
			return nil, closed(ReasonSilent, status.Error(codes.DeadlineExceeded, "no first request"))
		case <-hold.C:
			st.leaveGate()
		case <-st.came:
		}
	}
}

// checkNode compares who the client says it is with who it is.
func (st *stream) checkNode(r *request) error {
	if r.malformed != nil {
		return closed(ReasonInvalid, status.Error(codes.InvalidArgument, r.malformed.Error()))
	}
	n := r.node
	if n == nil || n.id == "" {
		return closed(ReasonInvalid, status.Error(codes.InvalidArgument,
			"the first request has no node id: start Envoy with --service-node <namespace>/<workload>"))
	}
	if n.id == st.peer.Node && n.cluster == st.peer.Cluster {
		return nil
	}
	return closed(ReasonDenied, status.Errorf(codes.PermissionDenied,
		"the node says id %s and cluster %s, the credentials are for id %s and cluster %s",
		shorten(n.id), shorten(n.cluster), shorten(st.peer.Node), shorten(st.peer.Cluster)))
}

func shorten(s string) string { return fmt.Sprintf("%q", clip([]byte(s), 2*maxAgent)) }

// open begins with what the stream's node sees now.
func (st *stream) open(first *request) error {
	snapshot, ok := st.sub.Current()
	if !ok {
		return st.unknown()
	}
	if len(first.versions) == 0 {
		st.server.gate.charge(costOfSending(snapshot))
	}
	st.begin(snapshot, first.node.agent)
	st.awaitSynced()
	return nil
}

func (st *stream) isSotw() bool {
	w, ok := st.carrier.(*wire)
	return ok && w.sotw
}

// targetsPerProgram is how many streams a gRPC program may have for each that a proxy may: it opens one for each
// target that it dials.
const targetsPerProgram = 16

// owner is by what the streams of a workload are counted: its program and who keeps its certificate do not count together.
func (st *stream) owner() string {
	if st.isSotw() {
		return "program " + st.peer.Node
	}
	return st.peer.Node
}

// mayOpen is how many streams the owner may have open at once.
func (st *stream) mayOpen() int {
	if st.isSotw() {
		return targetsPerProgram * st.server.config.Limits.StreamsPerNode
	}
	return st.server.config.Limits.StreamsPerNode
}

// begin makes the state machine.
func (st *stream) begin(snapshot *cache.Snapshot, agent string) {
	if st.isSotw() {
		s := newSotwSession(st.server.settings, st.peer, snapshot, st.server.nonces)
		s.agent = agent
		st.session = s
		return
	}
	st.secrets = st.server.config.Secrets.Open(st.peer, func() { st.mailbox.put(st.onSecretsChanged) })
	st.delta = newSession(st.server.settings, st.peer, snapshot, st.server.nonces)
	st.delta.agent = agent
	st.session = st.delta
}

// awaitSynced has the session know when the sources have told everything.
func (st *stream) awaitSynced() {
	select {
	case <-st.server.config.Synced:
		return
	default:
	}
	st.session.unsynced()
	st.server.work.Go(func() {
		select {
		case <-st.server.config.Synced:
			st.mailbox.put(func() error { st.session.onSynced(time.Now()); return nil })
		case <-st.done:
		}
	})
}

// unknown refuses a node that the Store does not hold: for now while the sources have not told everything.
func (st *stream) unknown() error {
	select {
	case <-st.server.config.Synced:
		return closed(ReasonUnknown, status.Errorf(codes.NotFound, "no workload %q is known", st.peer.Node))
	default:
		return closed(ReasonUnavailable, retryLater("the sources are not synced yet", 0))
	}
}
