package serve

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

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

// Authenticate returns who a caller is, and logs who is refused. A stream ends when its workload becomes somebody else.
func (a *authenticator) Authenticate(ctx context.Context, credentials server.Credentials, revoke func(error)) (server.Admission, error) {
	admission, err := a.admit(ctx, credentials, &guard{end: revoke})
	if err != nil && a.lines.Allow() {
		address := ""
		if credentials.Remote != nil {
			address = credentials.Remote.String()
		}
		a.logger.WarnContext(ctx, "a proxy was not let in", "address", address, "error", err)
	}
	return admission, err
}

func (a *authenticator) admit(ctx context.Context, credentials server.Credentials, g *guard) (server.Admission, error) {
	c, err := a.claims(ctx, credentials)
	switch {
	case errors.Is(err, certskube.ErrUnavailable), ctx.Err() != nil && err != nil:
		return server.Admission{}, err // Whoever it is comes again.
	case err != nil:
		return server.Admission{}, fmt.Errorf("%w: %w", server.ErrUnauthenticated, err)
	}
	select {
	case <-a.ready:
	case <-ctx.Done():
		return server.Admission{}, errNotYet
	}
	node := c.peer.Node
	if err := a.members.admit(node, c.check, g); err != nil {
		return server.Admission{}, fmt.Errorf("%w: %w", server.ErrPermissionDenied, err)
	}
	return server.Admission{Peer: c.peer, Left: func() { a.members.leave(node, g) }}, nil
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
