package serve

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/server"
)

var web = discovery.WorkloadID{Namespace: "shop", Name: "web-1"}

func workload(account string, sidecar bool) discovery.Update {
	return discovery.Update{Workloads: map[discovery.WorkloadID]*discovery.Workload{
		web: {ID: web, ServiceAccount: account, Sidecar: sidecar},
	}}
}

// runsAs is the check of a join token for that service account.
func runsAs(account string) func(*discovery.Workload) error {
	return claimedBy(certs.Claims{
		Identity: certs.Identity{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: account}, Workload: "web-1",
	}).check
}

func newGuard(t *testing.T) (*guard, context.Context) {
	t.Helper()
	ctx, end := context.WithCancelCause(t.Context())
	t.Cleanup(func() { end(nil) })
	return &guard{end: end}, ctx
}

func TestMembersEndStreamsOfAnotherAccount(t *testing.T) {
	t.Parallel()
	m := newMembers()
	m.apply(workload("web", true))
	g, ctx := newGuard(t)
	if err := m.admit("shop/web-1", runsAs("web"), g); err != nil {
		t.Fatal(err)
	}
	m.apply(workload("web", true))
	if ctx.Err() != nil {
		t.Fatal("the stream ended although nothing changed")
	}
	// Gone and back as somebody else, faster than anybody sees it go.
	m.apply(discovery.Update{Workloads: map[discovery.WorkloadID]*discovery.Workload{web: nil}})
	m.apply(workload("other", true))
	if cause := context.Cause(ctx); cause == nil || !strings.Contains(cause.Error(), "is other now, and was web") {
		t.Errorf("cause %v", cause)
	}
	m.leave("shop/web-1", g)
	if len(m.streams) != 0 {
		t.Error("a stream that left is still known")
	}
}

func TestMembersAdmit(t *testing.T) {
	t.Parallel()
	m := newMembers()
	m.apply(workload("web", true))
	if err := m.admit("shop/web-1", runsAs("admin"), nil); err == nil || !strings.Contains(err.Error(), "runs as service account web") {
		t.Errorf("another account: %v", err)
	}
	if err := m.admit("shop/web-2", runsAs("web"), nil); !errors.Is(err, errNoMember) {
		t.Errorf("an unknown workload: %v", err)
	}
	m.apply(workload("web", false))
	if err := m.admit("shop/web-1", runsAs("web"), nil); !errors.Is(err, errNoMember) {
		t.Errorf("a workload without a sidecar: %v", err)
	}
}

func TestAuthenticateWaitsForTheMesh(t *testing.T) {
	t.Parallel()
	config := certs.TokenConfig{Dir: t.TempDir() + "/data", TrustDomain: "cluster.local"}
	signer, err := certs.NewTokenSigner(config)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := certs.NewTokenVerifier(config)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := signer.Sign(t.Context(), certs.TokenRequest{Namespace: "shop", ServiceAccount: "web", Workload: "web-1"})
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	a := newAuthenticator(verifier, newMembers(), ready, slog.New(slog.DiscardHandler))
	a.members.apply(workload("web", true))
	good := server.Credentials{BearerToken: server.Redact([]byte(token.Reveal()))}

	// Without a good token nobody waits.
	bad := server.Credentials{BearerToken: server.Redact([]byte(token.Reveal() + "x"))}
	if _, err := a.Authenticate(t.Context(), bad, nil); !errors.Is(err, server.ErrUnauthenticated) {
		t.Errorf("a bad token: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = a.Authenticate(ctx, good, nil)
	if err == nil || errors.Is(err, server.ErrUnauthenticated) || errors.Is(err, server.ErrPermissionDenied) {
		t.Errorf("before the mesh is read: %v, want an error that says to come again", err)
	}
	close(ready)
	admission, err := a.Authenticate(t.Context(), good, nil)
	peer := admission.Peer
	if err != nil || peer.Node != "shop/web-1" || peer.Cluster != "shop/web" || peer.Identity != "spiffe://cluster.local/ns/shop/sa/web" {
		t.Errorf("peer %+v: %v", peer, err)
	}
}

func TestReadinessSaysWhyNot(t *testing.T) {
	t.Parallel()
	r := newReadiness()
	r.waitSource("file/mesh", "has not been read yet")
	r.wait("server", "draining")
	recorder := httptest.NewRecorder()
	r.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if want := "file/mesh: has not been read yet\nserver: draining\n"; recorder.Code != http.StatusServiceUnavailable || recorder.Body.String() != want {
		t.Errorf("%d %q", recorder.Code, recorder.Body)
	}
	r.sourcesDone()
	r.done("server")
	recorder = httptest.NewRecorder()
	r.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if recorder.Code != http.StatusOK {
		t.Errorf("%d %q", recorder.Code, recorder.Body)
	}
}

func TestSecretsOfOneStream(t *testing.T) {
	t.Parallel()
	authority, err := certs.Open(certs.Config{Dir: t.TempDir() + "/data", TrustDomain: "cluster.local"})
	if err != nil {
		t.Fatal(err)
	}
	s := newSecrets("cluster.local", certs.NewIssuer(authority))
	session := s.Open(server.Peer{Namespace: "shop", ServiceAccount: "web"}, nil)
	if _, ok := s.firstEnd(); ok {
		t.Error("a certificate ends before there is one")
	}
	leaf, err := session.Secret(t.Context(), certs.NameIdentity, "")
	if err != nil || leaf.Body.IsZero() || leaf.Renew.IsZero() {
		t.Fatalf("leaf %+v: %v", leaf, err)
	}
	if end, ok := s.firstEnd(); !ok || !end.Equal(leaf.Expires) {
		t.Errorf("first end %s %t, want %s", end, ok, leaf.Expires)
	}
	kept, err := session.Secret(t.Context(), certs.NameIdentity, leaf.Version)
	if err != nil || !kept.Body.IsZero() || kept.Version != leaf.Version {
		t.Errorf("a good leaf is not kept: %+v, %v", kept, err)
	}
	if _, err := session.Secret(t.Context(), "identity-of-another", ""); !errors.Is(err, server.ErrNoSecret) {
		t.Errorf("another name: %v", err)
	}
	other := s.Open(server.Peer{Namespace: "shop", ServiceAccount: "other"}, nil)
	if stolen, err := other.Secret(t.Context(), certs.NameIdentity, leaf.Version); err != nil || stolen.Body.IsZero() || stolen.Version == leaf.Version {
		t.Errorf("the version of another identity is kept: %+v, %v", stolen, err)
	}
	session.Close()
	other.Close()
	if _, ok := s.firstEnd(); ok {
		t.Error("closed sessions still count")
	}
}
