package server

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

const (
	keepaliveEvery  = 30 * time.Second
	keepalivePing   = 10 * time.Second // the least time between pings of a client; Envoy's come every 30 s
	connectionGrace = 30 * time.Second
	readBuffer      = 4 << 10
	// connectionTimeout bounds a connection's handshakes, connectionIdle its time without a stream.
	connectionTimeout = 10 * time.Second
	connectionIdle    = time.Minute
	// headerBytes bounds the headers of a call; the token is in them.
	headerBytes = 16 << 10
	// connectionStreams is how many streams a connection may have; a proxy needs one.
	connectionStreams = 16
	// window is what a client may send ahead of being read. Being fixed, it also keeps gRPC from
	// measuring the bandwidth with a ping for every message that comes in.
	window = 1 << 20
)

// ServerOptions are the options that the gRPC server must be made with, besides its TLS credentials. Write
// buffers are shared between connections by default.
func (s *Server) ServerOptions() []grpc.ServerOption {
	params := keepalive.ServerParameters{MaxConnectionIdle: connectionIdle, Time: keepaliveEvery, Timeout: keepaliveEvery}
	if age := s.config.Timing.MaxConnectionAge; age > 0 {
		// gRPC spreads the age by 10 % itself.
		params.MaxConnectionAge, params.MaxConnectionAgeGrace = age, connectionGrace
	}
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.ChainStreamInterceptor(s.authenticateStream),
		grpc.ChainUnaryInterceptor(s.authenticateUnary),
		grpc.KeepaliveParams(params),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepalivePing, PermitWithoutStream: true}),
		grpc.MaxRecvMsgSize(s.config.Limits.MessageBytes),
		grpc.MaxHeaderListSize(headerBytes),
		grpc.MaxConcurrentStreams(connectionStreams),
		grpc.ConnectionTimeout(connectionTimeout),
		grpc.ReadBufferSize(readBuffer),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
	}
}
