package policykube_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/test/cluster"
)

// limit is how long a test waits for anything.
const limit = 60 * time.Second

var (
	kube *cluster.Kube
	// signer is a second key whose tokens the API server accepts, so that tests can make what it would not.
	signer *ecdsa.PrivateKey
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "outrigger-policykube-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	public := filepath.Join(dir, "signer.pub")
	if signer, err = newSigner(public); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	options := cluster.KubeOptions{NoControllers: true, APIServerArgs: []string{"--service-account-key-file=" + public}}
	return cluster.WithKube(&kube, options, func() int {
		if err := install(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	})
}

func newSigner(public string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

// install gives the control plane its service account and its rights.
func install(ctx context.Context) error {
	if err := kube.AddNamespace(ctx, "outrigger-system"); err != nil {
		return err
	}
	if err := kube.AddNamespace(ctx, "shop"); err != nil {
		return err
	}
	for _, name := range []string{"serviceaccount", "clusterrole", "role"} {
		text, err := os.ReadFile(filepath.Join("../../../deploy/rbac", name+".yaml"))
		if err != nil {
			return err
		}
		if err := kube.Apply(ctx, string(text)); err != nil {
			return err
		}
	}
	return nil
}

// outrigger is the access of the control plane.
func outrigger(tb testing.TB) *rest.Config {
	tb.Helper()
	return outriggerAt(tb, kube.Host())
}

// outriggerAt is the same by way of another address.
func outriggerAt(tb testing.TB, host string) *rest.Config {
	tb.Helper()
	request := &authenticationv1.TokenRequest{}
	answer, err := kube.Client().CoreV1().ServiceAccounts("outrigger-system").CreateToken(tb.Context(), "outrigger", request, metav1.CreateOptions{})
	must(tb, err)
	access := kube.Admin().Via(host)
	access.CertFile, access.KeyFile, access.Token = "", "", answer.Status.Token
	config, err := access.Config()
	must(tb, err)
	return config
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func apply(t *testing.T, text string) {
	t.Helper()
	must(t, kube.Apply(t.Context(), text))
}

// logger logs to the test.
func logger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// limited is a context for what must happen soon.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
