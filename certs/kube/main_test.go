package kube

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reviews is an API server that answers as it is told.
type reviews struct {
	mu sync.Mutex
	// asked counts reviews by token; flying are those on their way, most how many they were at most.
	asked        map[string]int
	flying, most int
	// answer says what it says of a token.
	answer func(ctx context.Context, token string) (authenticationv1.TokenReviewStatus, error)
	// audiences are those of the last review.
	audiences []string
}

func newReviews(answer func(context.Context, string) (authenticationv1.TokenReviewStatus, error)) *reviews {
	return &reviews{asked: make(map[string]int), answer: answer}
}

func (r *reviews) Create(ctx context.Context, review *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	token := review.Spec.Token
	r.mu.Lock()
	r.asked[token]++
	r.audiences = review.Spec.Audiences
	r.flying++
	r.most = max(r.most, r.flying)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flying--
	}()
	status, err := r.answer(ctx, token)
	if err != nil {
		return nil, err
	}
	return &authenticationv1.TokenReview{Status: status}, nil
}

func (r *reviews) count(token string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[token]
}

// good is what an API server says of the token of pod shop/cart-1.
func good() authenticationv1.TokenReviewStatus {
	return authenticationv1.TokenReviewStatus{
		Authenticated: true, Audiences: []string{"outrigger"},
		User: authenticationv1.UserInfo{
			Username: "system:serviceaccount:shop:cart",
			Extra: map[string]authenticationv1.ExtraValue{
				"authentication.kubernetes.io/credential-id": {"JTI=1"},
				extraPodName:  {"cart-1"},
				extraPodUID:   {"uid-1"},
				extraNodeName: {"node-a"},
			},
		},
	}
}

func always(status authenticationv1.TokenReviewStatus) func(context.Context, string) (authenticationv1.TokenReviewStatus, error) {
	return func(context.Context, string) (authenticationv1.TokenReviewStatus, error) { return status, nil }
}

// tokenUntil is a token that says that it ends then.
func tokenUntil(end time.Time) string {
	payload := fmt.Sprintf(`{"aud":["outrigger"],"exp":%d}`, end.Unix())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func newReviewer(tb testing.TB, config Config) *Reviewer {
	tb.Helper()
	reviewer, err := NewReviewer(config)
	if err != nil {
		tb.Fatal(err)
	}
	return reviewer
}
