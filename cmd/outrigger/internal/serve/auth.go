package serve

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/certs"
	certskube "outrigger.dev/outrigger/certs/kube"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/server"
)

var errNotYet = errors.New("the mesh has not been read yet; come again")

// authenticator lets a stream in when its join token is good, or its pod's token, or its certificate one that names a
// workload, and the workload that it is for exists, with that service account and in the mesh.
type authenticator struct {
	tokens *certs.TokenVerifier
	// pods has tokens of pods reviewed; nil without a cluster.
	pods    *certskube.Reviewer
	members *members
	// ready is closed when the whole mesh has been published. Callers with a good token wait for
	// it: after a restart that is sooner than their next attempt.
	ready <-chan struct{}

	logger *slog.Logger
	// lines bounds what callers can make the server write into its log; all refusals are counted.
	lines *rate.Limiter
}

func newAuthenticator(tokens *certs.TokenVerifier, members *members, ready <-chan struct{}, logger *slog.Logger) *authenticator {
	return &authenticator{
		tokens: tokens, members: members, ready: ready, logger: logger,
		lines: rate.NewLimiter(rate.Every(time.Second), 10),
	}
}

// reviews has the tokens of pods reviewed from now on.
func (a *authenticator) reviews(k *cluster) *authenticator {
	if k != nil {
		a.pods = k.reviewer
	}
	return a
}

// Authenticate returns who a caller is, and logs who is refused.
func (a *authenticator) Authenticate(ctx context.Context, credentials server.Credentials) (server.Peer, error) {
	caller, err := a.identify(ctx, credentials)
	if err != nil && a.lines.Allow() {
		address := ""
		if from, ok := peer.FromContext(ctx); ok {
			address = from.Addr.String()
		}
		a.logger.WarnContext(ctx, "a proxy was not let in", "address", address, "error", err)
	}
	return caller, err
}

func (a *authenticator) identify(ctx context.Context, credentials server.Credentials) (server.Peer, error) {
	c, err := a.claims(ctx, credentials)
	switch {
	case errors.Is(err, certskube.ErrUnavailable), ctx.Err() != nil && err != nil:
		return server.Peer{}, err // Whoever it is comes again.
	case err != nil:
		return server.Peer{}, fmt.Errorf("%w: %w", server.ErrUnauthenticated, err)
	}
	select {
	case <-a.ready:
	case <-ctx.Done():
		return server.Peer{}, errNotYet
	}
	if err := a.members.admit(c.peer.Node, c.check, enter(ctx, c.peer.Node)); err != nil {
		return server.Peer{}, fmt.Errorf("%w: %w", server.ErrPermissionDenied, err)
	}
	return c.peer, nil
}

// claimed is who good credentials say that a caller is, and whether that is the workload that the mesh knows.
type claimed struct {
	peer  server.Peer
	check func(*discovery.Workload) error
}

// claims returns what good credentials say. Where there are both, the token counts.
func (a *authenticator) claims(ctx context.Context, credentials server.Credentials) (claimed, error) {
	switch {
	case !credentials.BearerToken.IsZero():
		return a.bearer(ctx, certs.NewToken(string(credentials.BearerToken.Reveal())))
	case len(credentials.PeerCertificates) > 0:
		claims, err := a.certified(credentials.PeerCertificates[0])
		return claimedBy(claims), err
	default:
		return claimed{}, errors.New("no token; send authorization: Bearer TOKEN, with a token that `outrigger token` made or that Kubernetes projects for the audience outrigger")
	}
}

// bearer takes a join token of this mesh, and otherwise asks the cluster whose token it is.
func (a *authenticator) bearer(ctx context.Context, token certs.Token) (claimed, error) {
	claims, err := a.tokens.Verify(token)
	if a.pods == nil || !errors.Is(err, certs.ErrTokenInvalid) {
		return claimedBy(claims), err
	}
	pod, err := a.pods.Review(ctx, token)
	if err != nil {
		return claimed{}, err
	}
	identity := certs.Identity{TrustDomain: a.tokens.TrustDomain(), Namespace: pod.Namespace, ServiceAccount: pod.ServiceAccount}
	if err := identity.Validate(); err != nil {
		return claimed{}, err
	}
	return claimed{
		peer:  peerOf(identity, pod.Pod, pod.Expires),
		check: func(w *discovery.Workload) error { return certskube.Match(pod, w) },
	}, nil
}

func claimedBy(claims certs.Claims) claimed {
	peer := peerOf(claims.Identity, claims.Workload, claims.ExpiresAt)
	return claimed{peer: peer, check: func(w *discovery.Workload) error {
		if w.ServiceAccount != peer.ServiceAccount {
			return fmt.Errorf("workload %s runs as service account %s, the token says %s", peer.Node, w.ServiceAccount, peer.ServiceAccount)
		}
		return nil
	}}
}

// certified returns what a certificate says that TLS has verified.
func (a *authenticator) certified(cert *x509.Certificate) (certs.Claims, error) {
	identity, workload, err := certs.WorkloadOf(cert)
	if err != nil {
		return certs.Claims{}, err
	}
	if identity.TrustDomain != a.tokens.TrustDomain() {
		return certs.Claims{}, fmt.Errorf("the certificate is of trust domain %s, this is %s", identity.TrustDomain, a.tokens.TrustDomain())
	}
	return certs.Claims{Identity: identity, Workload: workload, ExpiresAt: cert.NotAfter}, nil
}

func peerOf(id certs.Identity, workload string, expires time.Time) server.Peer {
	return server.Peer{
		Node: id.Namespace + "/" + workload, Cluster: id.Namespace + "/" + id.ServiceAccount,
		Namespace: id.Namespace, ServiceAccount: id.ServiceAccount, Workload: workload,
		Identity: id.String(), Expires: expires,
	}
}

// pass goes with a stream from the interceptor to the authenticator and back.
type pass struct {
	guard *guard
	node  string // set once the stream is authenticated
}

type passKey struct{}

// enter returns the guard of the stream that ctx belongs to, and notes whose stream it is.
func enter(ctx context.Context, node string) *guard {
	p, ok := ctx.Value(passKey{}).(*pass)
	if !ok {
		return nil
	}
	p.node = node
	return p.guard
}

// intercept ends a stream when its workload gets another service account.
func (a *authenticator) intercept(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, end := context.WithCancelCause(stream.Context())
	defer end(nil)
	p := &pass{guard: &guard{end: end}}
	err := handler(srv, &guardedStream{ServerStream: stream, ctx: context.WithValue(ctx, passKey{}, p)})
	if p.node != "" {
		a.members.leave(p.node, p.guard)
	}
	if stream.Context().Err() == nil && ctx.Err() != nil {
		return status.Error(codes.PermissionDenied, context.Cause(ctx).Error())
	}
	return err
}

// guardedStream is a stream with a context that can be ended from here.
type guardedStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // gRPC hands a stream's context on by this method alone
}

// Context returns the context of the stream.
func (s *guardedStream) Context() context.Context { return s.ctx }
