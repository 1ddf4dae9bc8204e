package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/certs"
)

// Reviewer has tokens reviewed. Its methods may be called from any number of goroutines.
type Reviewer struct {
	config Config
	// hands are taken by reviews in flight.
	hands chan struct{}

	mu      sync.Mutex
	answers *answers
	flights map[key]*flight
}

// flight is a review on its way, which all who have the same token wait for.
type flight struct {
	done   chan struct{}
	claims Claims
	err    error
}

// NewReviewer returns a Reviewer; it asks nothing yet.
func NewReviewer(config Config) (*Reviewer, error) {
	config, err := config.checked()
	if err != nil {
		return nil, err
	}
	return &Reviewer{
		config: config, hands: make(chan struct{}, config.InFlight),
		answers: newAnswers(config.Cached), flights: make(map[key]*flight),
	}, nil
}

// Review returns whose token it is, as the API server says or has said within the last minute. The errors are
// ErrNotAuthenticated, ErrWrongAudience and ErrNoPod, which are final, ErrUnavailable, and ctx's error.
func (r *Reviewer) Review(ctx context.Context, token certs.Token) (Claims, error) {
	text := token.Reveal()
	if text == "" || len(text) > maxTokenBytes {
		return Claims{}, fmt.Errorf("%w: its length is %d bytes, want 1 to %d", ErrNotAuthenticated, len(text), maxTokenBytes)
	}
	of := key(sha256.Sum256([]byte(text)))
	for {
		claims, flight, mine := r.join(of)
		switch {
		case flight == nil:
			return claims, nil
		case mine:
			return r.fly(ctx, flight, of, text)
		}
		select {
		case <-ctx.Done():
			return Claims{}, ctx.Err()
		case <-flight.done:
		}
		// Who went away while the review was on its way takes nobody along: another one asks.
		if !errors.Is(flight.err, context.Canceled) && !errors.Is(flight.err, context.DeadlineExceeded) {
			return flight.claims, flight.err
		}
	}
}

// join returns claims that are known, without a flight; or the flight to wait for; or a new one, which is the caller's.
func (r *Reviewer) join(of key) (claims Claims, on *flight, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if claims, ok := r.answers.get(of, r.config.Clock()); ok {
		return claims, nil, false
	}
	if on := r.flights[of]; on != nil {
		return Claims{}, on, false
	}
	on = &flight{done: make(chan struct{})}
	r.flights[of] = on
	return Claims{}, on, true
}

// fly does the review of a flight, and tells all who wait for it.
func (r *Reviewer) fly(ctx context.Context, f *flight, of key, token string) (Claims, error) {
	f.claims, f.err = r.ask(ctx, token)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flights, of)
	if f.err == nil {
		r.remember(of, f.claims)
	}
	close(f.done)
	return f.claims, f.err
}

// remember keeps a good answer, and never for longer than the token lives.
func (r *Reviewer) remember(of key, claims Claims) {
	until := r.config.Clock().Add(r.config.Remember)
	if !claims.Expires.IsZero() && claims.Expires.Before(until) {
		until = claims.Expires
	}
	r.answers.put(of, claims, until)
}

// ask asks the API server when a hand is free.
func (r *Reviewer) ask(ctx context.Context, token string) (Claims, error) {
	select {
	case <-ctx.Done():
		return Claims{}, ctx.Err()
	case r.hands <- struct{}{}:
	}
	defer func() { <-r.hands }()
	limited, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	review := &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{r.config.Audience}},
	}
	answer, err := r.config.Client.Create(limited, review, metav1.CreateOptions{})
	switch {
	case ctx.Err() != nil:
		return Claims{}, ctx.Err()
	case err != nil:
		return Claims{}, unavailable(err, token)
	}
	return r.judge(answer.Status, token)
}

// unavailable wraps an error of the client, without what would make callers take it for one of their context.
func unavailable(err error, token string) error {
	return fmt.Errorf("%w: %s", ErrUnavailable, redact(err.Error(), token))
}

// judge reads what the API server says.
func (r *Reviewer) judge(status authenticationv1.TokenReviewStatus, token string) (Claims, error) {
	switch {
	case !status.Authenticated && strings.Contains(status.Error, "audience"):
		return Claims{}, fmt.Errorf("%w, whose audience is %q: %s", ErrWrongAudience, r.config.Audience, redact(status.Error, token))
	case !status.Authenticated:
		return Claims{}, fmt.Errorf("%w: %s", ErrNotAuthenticated, redact(status.Error, token))
	case !slices.Contains(status.Audiences, r.config.Audience):
		return Claims{}, fmt.Errorf("%w: the API server names the audiences %q, want %q", ErrWrongAudience, status.Audiences, r.config.Audience)
	}
	claims, err := claimsOf(status.User)
	if err != nil {
		return Claims{}, err
	}
	claims.Expires, _ = expiry(token)
	return claims, nil
}

// maxText is how much of a foreign text goes into an error.
const maxText = 512

// redact makes a foreign text fit for logs.
func redact(text, token string) string {
	if text == "" {
		text = "it gives no reason"
	}
	text = strings.ReplaceAll(text, token, "[redacted]")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return text
}
