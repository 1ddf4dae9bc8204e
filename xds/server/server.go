package server

import (
	"context"
	"runtime"
	"sync"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Server serves aggregated discovery. Its streams live in the handlers of the gRPC server that it is registered with.
type Server struct {
	config   Config
	settings *settings
	gate     *gate
	line     *line

	draining chan struct{} // closed by Drain
	ended    chan struct{} // closed when Drain has lost patience
	work     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
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
		config: config, gate: newGate(config), line: newLine(runtime.GOMAXPROCS(0)),
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

// Register adds aggregated discovery, and nothing else, to a gRPC server that
// was made with [Server.ServerOptions].
func (s *Server) Register(registrar grpc.ServiceRegistrar) {
	discovery.RegisterAggregatedDiscoveryServiceServer(registrar, service{server: s})
}

// service is the generated interface's side of a Server.
type service struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
	server *Server
}

// DeltaAggregatedResources serves one stream until it ends.
func (s service) DeltaAggregatedResources(grpcStream discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return s.server.serve(grpcStream.Context(), wire{grpcStream})
}

// StreamAggregatedResources serves one stream of the state-of-the-world form, which programs of gRPC speak, until it ends.
func (s service) StreamAggregatedResources(grpcStream discovery.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return s.server.serve(grpcStream.Context(), sotwWire{grpcStream})
}

// wire is a stream's gRPC side.
type wire struct{ grpc.ServerStream }

func (w wire) recv(r *request) error  { return w.RecvMsg(r) }
func (w wire) send(r *response) error { return w.SendMsg(r) }

// sotwWire is the same in the state-of-the-world form.
type sotwWire struct{ grpc.ServerStream }

func (w sotwWire) recv(r *request) error  { return w.RecvMsg((*sotwRequest)(r)) }
func (w sotwWire) send(r *response) error { return w.SendMsg((*sotwResponse)(r)) }

// serve runs one authenticated stream.
func (s *Server) serve(ctx context.Context, transport transport) error {
	peer, ok := peerFrom(ctx)
	if !ok {
		s.config.Observer.Refused(ReasonCredentials)
		return status.Error(codes.Unauthenticated, "the server was built without its interceptors")
	}
	st := newStream(s, peer, transport)
	if err := s.admit(st, time.Now()); err != nil {
		return err
	}
	defer func() { s.leave(st, time.Now()) }()
	s.config.Observer.Opened(peer)
	reason, err := st.run(ctx)
	s.config.Observer.Closed(peer, reason)
	if reason != ReasonClient && reason != ReasonDrained {
		s.config.Logger.Warn("stream ended", "node", peer.Node, "reason", reason, "error", err)
	}
	return err
}

var errDraining = status.Error(codes.Unavailable, "draining: this server is going away, connect to another or again")
