package server

import (
	"crypto/tls"
	"runtime"
	"sync"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/transport"
)

// Server serves aggregated discovery. Its streams come from its Transport.
type Server struct {
	config   Config
	settings *settings
	gate     *gate
	line     *line
	nonces   *nonceSource

	draining chan struct{} // closed by Drain
	ended    chan struct{} // closed when Drain has lost patience
	work     sync.WaitGroup

	mu      sync.Mutex
	shut    bool
	streams map[*stream]struct{}
	tenants map[string]*tenant // by Peer.Node
}

// New returns a server without streams.
func New(config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: config, gate: newGate(config), line: newLine(runtime.GOMAXPROCS(0)), nonces: newNonceSource(),
		draining: make(chan struct{}), ended: make(chan struct{}),
		streams: map[*stream]struct{}{}, tenants: map[string]*tenant{},
	}
	s.settings = &settings{
		timing: config.Timing, limits: config.Limits,
		observer: nackLog{Observer: config.Observer, log: config.Logger},
		heads:    newHeads(config.Identifier), refusals: newRefusals(), wholeFrom: compactFrom,
	}
	return s, nil
}

// Transport returns what carries the server's streams: it serves aggregated discovery in its two forms, and nothing else.
func (s *Server) Transport(config *tls.Config) (*transport.Server, error) {
	return transport.New(transport.Config{
		TLS: config, Methods: s.methods(), MessageBytes: s.config.Limits.MessageBytes,
		MaxAge: s.config.Timing.MaxConnectionAge, Logger: s.config.Logger,
	})
}

func (s *Server) methods() map[string]func(*transport.Stream) {
	return map[string]func(*transport.Stream){
		discovery.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName: func(t *transport.Stream) {
			s.serve(t, newDeltaWire(t))
		},
		discovery.AggregatedDiscoveryService_StreamAggregatedResources_FullMethodName: func(t *transport.Stream) {
			s.serve(t, newSotwWire(t))
		},
	}
}

// serve opens a stream for a caller that has shown who he is. Nothing that he sends is read before.
func (s *Server) serve(from caller, over carrier) {
	st := newStream(s, over)
	if err := s.letIn(st, from); err != nil {
		st.leftPeer()
		_, err = st.outcome(err)
		over.End(err)
		return
	}
	st.start()
}

// letIn finds out whose a stream is, and whether it may be. The error is a status, or a fault of ours.
func (s *Server) letIn(st *stream, from caller) (err error) {
	defer recovered(&err)
	admission, err := s.authenticate(st.carrier.Context(), from, st.revoke)
	st.peer, st.left = admission.Peer, admission.Left
	if err != nil {
		return err
	}
	if err := s.admit(st, time.Now()); err != nil {
		return err
	}
	s.config.Observer.Opened(st.peer)
	return nil
}

// closed forgets a stream at its end.
func (s *Server) closed(st *stream, reason string, err error) {
	s.config.Observer.Closed(st.peer, reason)
	if reason != ReasonClient && reason != ReasonDrained {
		s.config.Logger.Warn("stream ended", "node", st.peer.Node, "reason", reason, "error", err)
	}
	s.leave(st, time.Now())
}

var errDraining = status.Error(codes.Unavailable, "draining: this server is going away, connect to another or again")
