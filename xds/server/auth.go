package server

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

type peerKey struct{}

func peerFrom(ctx context.Context) (Peer, bool) {
	peer, ok := ctx.Value(peerKey{}).(Peer)
	return peer, ok
}

// authenticateStream lets no handler run, and so no message be read, without a peer.
func (s *Server) authenticateStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	peer, err := s.authenticate(stream.Context())
	if err != nil {
		return err
	}
	return handler(srv, peerStream{stream, context.WithValue(stream.Context(), peerKey{}, peer)})
}

// authenticateUnary is there for methods that are added some day: none is open by default.
func (s *Server) authenticateUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	peer, err := s.authenticate(ctx)
	if err != nil {
		return nil, err
	}
	return handler(context.WithValue(ctx, peerKey{}, peer), req)
}

// peerStream is a stream whose context knows the peer.
type peerStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // gRPC has no other way to hand a value from an interceptor to a handler
}

// Context returns the stream's context with the peer.
func (p peerStream) Context() context.Context { return p.ctx }

// authenticate tells who the caller is, from the headers and the TLS connection alone.
func (s *Server) authenticate(ctx context.Context) (Peer, error) {
	creds, err := credentialsOf(ctx)
	if err != nil {
		s.config.Observer.Refused(ReasonCredentials)
		return Peer{}, status.Error(codes.Unauthenticated, err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timing.Auth)
	defer cancel()
	peer, err := s.config.Auth.Authenticate(ctx, creds)
	switch {
	case err == nil && peer.Node != "":
		return peer, nil
	case errors.Is(err, ErrUnauthenticated):
		s.config.Observer.Refused(ReasonCredentials)
		return Peer{}, status.Error(codes.Unauthenticated, err.Error())
	case err == nil, errors.Is(err, ErrPermissionDenied):
		s.config.Observer.Refused(ReasonDenied)
		return Peer{}, status.Error(codes.PermissionDenied, deniedText(err))
	default:
		s.config.Observer.Refused(ReasonUnavailable)
		s.config.Logger.Error("authentication failed", "error", err)
		return Peer{}, status.Error(codes.Unavailable, "credentials cannot be checked now")
	}
}

func deniedText(err error) string {
	if err == nil {
		return "the credentials name no workload"
	}
	return err.Error()
}

const bearerPrefix = "bearer "

// credentialsOf reads the bearer token and the verified client certificates of a call.
func credentialsOf(ctx context.Context) (Credentials, error) {
	var c Credentials
	headers := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(headers) > 1 {
		return c, errors.New("several authorization headers: send one")
	}
	if len(headers) == 1 {
		header := headers[0]
		if len(header) < len(bearerPrefix) || !strings.EqualFold(header[:len(bearerPrefix)], bearerPrefix) {
			return c, errors.New(`the authorization header is not "Bearer <token>"`)
		}
		c.BearerToken = Redact([]byte(strings.TrimSpace(header[len(bearerPrefix):])))
	}
	c.PeerCertificates = verifiedChain(ctx)
	return c, nil
}

func verifiedChain(ctx context.Context) []*x509.Certificate {
	peer, ok := grpcpeer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := peer.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil
	}
	return info.State.PeerCertificates
}
