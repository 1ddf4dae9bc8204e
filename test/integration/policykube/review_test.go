package policykube_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/certs"
	certskube "outrigger.dev/outrigger/certs/kube"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/cluster"
)

func newReviewer(t *testing.T, config *rest.Config) *certskube.Reviewer {
	t.Helper()
	client, err := certskube.NewClient(config)
	must(t, err)
	reviewer, err := certskube.NewReviewer(certskube.Config{Client: client})
	must(t, err)
	return reviewer
}

func addPod(tb testing.TB, name string) *corev1.Pod {
	tb.Helper()
	if err := kube.AddNode(tb.Context(), "node-a", "eu", "eu-1"); !apierrors.IsAlreadyExists(err) {
		must(tb, err)
	}
	pod, err := kube.AddPod(tb.Context(), cluster.Pod{
		Namespace: "shop", Name: name, ServiceAccount: "cart", Node: "node-a", IPs: []string{"10.244.0.9"},
	})
	must(tb, err)
	return pod
}

func podToken(t *testing.T, pod *corev1.Pod, audience string) certs.Token {
	t.Helper()
	text, err := kube.PodToken(t.Context(), pod, audience, 600)
	must(t, err)
	return certs.NewToken(text)
}

func workloadOf(pod *corev1.Pod) *discovery.Workload {
	return &discovery.Workload{
		ID:  discovery.WorkloadID{Namespace: pod.Namespace, Name: pod.Name},
		UID: string(pod.UID), Node: pod.Spec.NodeName, ServiceAccount: pod.Spec.ServiceAccountName,
	}
}

func TestReviewOfPodsToken(t *testing.T) {
	pod := addPod(t, "cart-1")
	claims, err := newReviewer(t, outrigger(t)).Review(t.Context(), podToken(t, pod, "outrigger"))
	must(t, err)
	if left := time.Until(claims.Expires); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the token expires in %s, want 10 minutes", left)
	}
	claims.Expires = time.Time{}
	want := certskube.Claims{
		Namespace: "shop", ServiceAccount: "cart", Pod: "cart-1", PodUID: string(pod.UID), Node: "node-a",
	}
	if claims != want {
		t.Errorf("the claims are %+v, want %+v", claims, want)
	}
	must(t, certskube.Match(claims, workloadOf(pod)))
}

func TestReviewRefuses(t *testing.T) {
	pod := addPod(t, "cart-2")
	bound := &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID}
	audienceless := accountToken(t, authenticationv1.TokenRequestSpec{BoundObjectRef: bound})
	unbound := accountToken(t, authenticationv1.TokenRequestSpec{Audiences: []string{"outrigger"}})
	good := podToken(t, pod, "outrigger").Reveal()
	cases := map[string]struct {
		token string
		want  error
		text  string
	}{
		"another audience": {podToken(t, pod, "vault").Reveal(), certskube.ErrWrongAudience, `"vault"`},
		"no audience":      {audienceless, certskube.ErrWrongAudience, "kubernetes.default"},
		"no pod":           {unbound, certskube.ErrNoPod, "shop/cart"},
		"expired":          {forge(t, pod, -time.Minute), certskube.ErrNotAuthenticated, "expired"},
		"another key":      {good[:len(good)-8] + "AAAAAAAA", certskube.ErrNotAuthenticated, "invalid"},
		"no token":         {"join me", certskube.ErrNotAuthenticated, "invalid"},
		"nothing":          {"", certskube.ErrNotAuthenticated, "0 bytes"},
		"no end":           {strings.Repeat("a", 1<<20), certskube.ErrNotAuthenticated, "1048576 bytes"},
	}
	reviewer := newReviewer(t, outrigger(t))
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			claims, err := reviewer.Review(t.Context(), certs.NewToken(c.token))
			if !errors.Is(err, c.want) || claims != (certskube.Claims{}) {
				t.Fatalf("claims %+v, error %v, want %v", claims, err, c.want)
			}
			if !strings.Contains(err.Error(), c.text) || c.token != "" && strings.Contains(err.Error(), c.token) {
				t.Errorf("the error is %q, want %q in it", err, c.text)
			}
		})
	}
	// The forged token is refused for its age alone.
	_, err := reviewer.Review(t.Context(), certs.NewToken(forge(t, pod, time.Hour)))
	must(t, err)
}

// accountToken is a token of the service account cart.
func accountToken(t *testing.T, spec authenticationv1.TokenRequestSpec) string {
	t.Helper()
	answer, err := kube.Client().CoreV1().ServiceAccounts("shop").CreateToken(t.Context(), "cart",
		&authenticationv1.TokenRequest{Spec: spec}, metav1.CreateOptions{})
	must(t, err)
	return answer.Status.Token
}

// forge signs a token of a pod with the second key of the API server.
func forge(tb testing.TB, pod *corev1.Pod, life time.Duration) string {
	tb.Helper()
	account, err := kube.Client().CoreV1().ServiceAccounts("shop").Get(tb.Context(), "cart", metav1.GetOptions{})
	must(tb, err)
	now := time.Now()
	claims := map[string]any{
		"iss": "https://kubernetes.default.svc.cluster.local", "sub": "system:serviceaccount:shop:cart", "aud": []string{"outrigger"},
		"iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": now.Add(life).Unix(),
		"kubernetes.io": map[string]any{
			"namespace": "shop", "serviceaccount": map[string]any{"name": "cart", "uid": account.UID},
			"pod": map[string]any{"name": pod.Name, "uid": pod.UID},
		},
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: signer}, nil)
	must(tb, err)
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	must(tb, err)
	return text
}

// The API server remembers for ten seconds that a token was good, so that the pod that the mesh knows decides.
func TestReviewOfDeletedPod(t *testing.T) {
	pod := addPod(t, "cart-3")
	token := podToken(t, pod, "outrigger")
	config := outrigger(t)
	claims, err := newReviewer(t, config).Review(t.Context(), token)
	must(t, err)
	must(t, kube.RemovePod(t.Context(), "shop", "cart-3"))
	if err := certskube.Match(claims, nil); !errors.Is(err, certskube.ErrMismatch) {
		t.Errorf("a pod that is gone: %v", err)
	}
	next := addPod(t, "cart-3")
	if err := certskube.Match(claims, workloadOf(next)); !errors.Is(err, certskube.ErrMismatch) || !strings.Contains(err.Error(), "UID") {
		t.Errorf("the next pod of the name: %v", err)
	}
	await(t, "the token is refused", func() bool {
		_, err := newReviewer(t, config).Review(t.Context(), token)
		return errors.Is(err, certskube.ErrNotAuthenticated)
	})
}

// Whoever cannot ask says so, and refuses nobody.
func TestReviewUnavailable(t *testing.T) {
	pod := addPod(t, "cart-4")
	token := podToken(t, pod, "outrigger")
	access, err := kube.AddAccount(t.Context(), "outrigger-system", "nobody-else")
	must(t, err)
	nobody, err := access.Config()
	must(t, err)
	_, err = newReviewer(t, nobody).Review(t.Context(), token)
	if !errors.Is(err, certskube.ErrUnavailable) || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("without the right to ask: %v", err)
	}
	config := outrigger(t)
	asked := newReviewer(t, config)
	_, err = asked.Review(t.Context(), token)
	must(t, err)
	kube.KillAPIServer()
	defer func() { must(t, kube.StartAPIServer(t.Context())) }()
	if _, err := newReviewer(t, config).Review(t.Context(), token); !errors.Is(err, certskube.ErrUnavailable) {
		t.Errorf("without an API server: %v", err)
	}
	if _, err := asked.Review(t.Context(), token); err != nil {
		t.Errorf("an answer of a moment ago is not remembered: %v", err)
	}
}
