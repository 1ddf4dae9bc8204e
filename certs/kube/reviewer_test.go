package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"outrigger.dev/outrigger/certs"
)

var cart = Claims{Namespace: "shop", ServiceAccount: "cart", Pod: "cart-1", PodUID: "uid-1", Node: "node-a"}

func TestReviewAsksForTheAudience(t *testing.T) {
	server := newReviews(always(good()))
	claims, err := newReviewer(t, Config{Client: server}).Review(t.Context(), certs.NewToken("a"))
	if err != nil || claims != cart {
		t.Errorf("claims %+v, error %v", claims, err)
	}
	if !slices.Equal(server.audiences, []string{"outrigger"}) {
		t.Errorf("it asked for the audiences %q", server.audiences)
	}
}

func TestReviewsThatAreRefused(t *testing.T) {
	change := func(change func(*authenticationv1.TokenReviewStatus)) authenticationv1.TokenReviewStatus {
		status := good()
		change(&status)
		return status
	}
	user := func(name string) authenticationv1.TokenReviewStatus {
		return change(func(s *authenticationv1.TokenReviewStatus) { s.User.Username = name })
	}
	cases := map[string]struct {
		status authenticationv1.TokenReviewStatus
		want   error
		text   string
	}{
		"no":                   {authenticationv1.TokenReviewStatus{Error: "[invalid bearer token, the token has expired]"}, ErrNotAuthenticated, "has expired"},
		"no, without a reason": {authenticationv1.TokenReviewStatus{}, ErrNotAuthenticated, "no reason"},
		"no, with the token":   {authenticationv1.TokenReviewStatus{Error: "what is secret-token"}, ErrNotAuthenticated, "what is [redacted]"},
		"no, at length":        {authenticationv1.TokenReviewStatus{Error: strings.Repeat("no ", 1000)}, ErrNotAuthenticated, "no..."},
		"another audience":     {authenticationv1.TokenReviewStatus{Error: `token audiences ["vault"] is invalid`}, ErrWrongAudience, "vault"},
		"a server that does not know of audiences": {
			change(func(s *authenticationv1.TokenReviewStatus) { s.Audiences = nil }), ErrWrongAudience, "[]",
		},
		"an answer for others": {
			change(func(s *authenticationv1.TokenReviewStatus) { s.Audiences = []string{"vault"} }), ErrWrongAudience, "vault",
		},
		"a person":             {user("jane"), ErrNotAuthenticated, `"jane"`},
		"a node":               {user("system:node:node-a"), ErrNotAuthenticated, "system:node"},
		"no account":           {user("system:serviceaccount:shop:"), ErrNotAuthenticated, "no service account"},
		"no namespace":         {user("system:serviceaccount::cart"), ErrNotAuthenticated, "no service account"},
		"too many parts":       {user("system:serviceaccount:shop:cart:admin"), ErrNotAuthenticated, "no service account"},
		"the prefix elsewhere": {user("x-system:serviceaccount:shop:cart"), ErrNotAuthenticated, "no service account"},
		"no pod":               {change(func(s *authenticationv1.TokenReviewStatus) { delete(s.User.Extra, extraPodName) }), ErrNoPod, "shop/cart"},
		"no UID":               {change(func(s *authenticationv1.TokenReviewStatus) { delete(s.User.Extra, extraPodUID) }), ErrNoPod, "shop/cart"},
		"two pods": {
			change(func(s *authenticationv1.TokenReviewStatus) { s.User.Extra[extraPodName] = []string{"a", "b"} }),
			ErrNotAuthenticated, "2 values",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := newReviews(always(c.status))
			reviewer := newReviewer(t, Config{Client: server})
			for range 2 {
				claims, err := reviewer.Review(t.Context(), certs.NewToken("secret-token"))
				if !errors.Is(err, c.want) || claims != (Claims{}) {
					t.Fatalf("claims %+v, error %v, want %v", claims, err, c.want)
				}
				if !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret-token") || len(err.Error()) > 700 {
					t.Errorf("the error is %q, want %q in it", err, c.text)
				}
			}
			if asked := server.count("secret-token"); asked != 2 {
				t.Errorf("asked %d times, want each time: a refusal is not remembered", asked)
			}
		})
	}
}

func TestWhatIsNoTokenIsNotSent(t *testing.T) {
	server := newReviews(always(good()))
	reviewer := newReviewer(t, Config{Client: server})
	for _, text := range []string{"", strings.Repeat("a", maxTokenBytes+1)} {
		if _, err := reviewer.Review(t.Context(), certs.NewToken(text)); !errors.Is(err, ErrNotAuthenticated) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
	if len(server.asked) > 0 {
		t.Error("it was sent")
	}
}

func TestNodeMayBeUnknown(t *testing.T) {
	status := good()
	delete(status.User.Extra, extraNodeName)
	claims, err := newReviewer(t, Config{Client: newReviews(always(status))}).Review(t.Context(), certs.NewToken("a"))
	if err != nil || claims.Node != "" || claims.Pod != "cart-1" {
		t.Errorf("claims %+v, error %v", claims, err)
	}
}

func TestAnswersAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newReviews(always(good()))
		reviewer := newReviewer(t, Config{Client: server})
		long, short := tokenUntil(time.Now().Add(time.Hour)), tokenUntil(time.Now().Add(20*time.Second))
		opaque := "without a word about its end"
		ask := func(token string, want int) {
			t.Helper()
			if _, err := reviewer.Review(t.Context(), certs.NewToken(token)); err != nil {
				t.Fatal(err)
			}
			if asked := server.count(token); asked != want {
				t.Errorf("asked %d times, want %d", asked, want)
			}
		}
		for range 3 {
			ask(long, 1)
			ask(short, 1)
			ask(opaque, 1)
		}
		pass(t, 21*time.Second)
		ask(long, 1)
		ask(short, 2)
		ask(short, 3) // Its end is over by its own words: nothing is remembered.
		pass(t, 40*time.Second)
		ask(long, 2)
		ask(opaque, 2)
	})
}

// pass lets time pass in a bubble.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	<-timer.C
}

func TestMemoryIsBounded(t *testing.T) {
	server := newReviews(always(good()))
	reviewer := newReviewer(t, Config{Client: server, Cached: 10})
	for i := range 100 {
		if _, err := reviewer.Review(t.Context(), certs.NewToken(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(reviewer.answers.by) != 10 || len(reviewer.answers.order) != 10 || len(reviewer.flights) != 0 {
		t.Errorf("%d answers, %d keys, %d flights", len(reviewer.answers.by), len(reviewer.answers.order), len(reviewer.flights))
	}
	if _, err := reviewer.Review(t.Context(), certs.NewToken("99")); err != nil || server.count("99") != 1 {
		t.Errorf("the last one is not remembered: %v", err)
	}
}

func TestUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("dial tcp 10.0.0.1:6443: connection refused, Bearer secret-token")
		server := newReviews(func(context.Context, string) (authenticationv1.TokenReviewStatus, error) {
			return authenticationv1.TokenReviewStatus{}, away
		})
		_, err := newReviewer(t, Config{Client: server}).Review(t.Context(), certs.NewToken("secret-token"))
		if !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("the error is %v", err)
		}
		hangs := newReviews(func(ctx context.Context, _ string) (authenticationv1.TokenReviewStatus, error) {
			<-ctx.Done()
			return authenticationv1.TokenReviewStatus{}, ctx.Err()
		})
		begun := time.Now()
		_, err = newReviewer(t, Config{Client: hangs}).Review(t.Context(), certs.NewToken("a"))
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != DefaultTimeout {
			t.Errorf("the error is %v after %s", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = newReviewer(t, Config{Client: hangs}).Review(ctx, certs.NewToken("a")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's own end: %v", err)
		}
	})
}

// Who has the same token waits for one review, and who goes away takes nobody along.
func TestOneReviewForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		server := newReviews(func(ctx context.Context, _ string) (authenticationv1.TokenReviewStatus, error) {
			select {
			case <-ctx.Done():
				return authenticationv1.TokenReviewStatus{}, ctx.Err()
			case <-answer:
				return good(), nil
			}
		})
		reviewer := newReviewer(t, Config{Client: server, Timeout: time.Hour})
		first, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := reviewer.Review(first, certs.NewToken("a")); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who went away: %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			group.Go(func() {
				if claims, err := reviewer.Review(t.Context(), certs.NewToken("a")); err != nil || claims != cart {
					t.Errorf("claims %+v, error %v", claims, err)
				}
			})
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		group.Go(func() {
			if _, err := reviewer.Review(impatient, certs.NewToken("a")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the one who did not wait: %v", err)
			}
		})
		pass(t, 2*time.Second)
		leave()
		synctest.Wait()
		close(answer)
		group.Wait()
		if asked := server.count("a"); asked != 2 {
			t.Errorf("asked %d times, want 2: by the one who went away, and by one of the others", asked)
		}
	})
}

func TestReviewsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newReviews(func(ctx context.Context, _ string) (authenticationv1.TokenReviewStatus, error) {
			timer := time.NewTimer(5 * time.Millisecond)
			defer timer.Stop()
			select {
			case <-ctx.Done():
				return authenticationv1.TokenReviewStatus{}, ctx.Err()
			case <-timer.C:
				return good(), nil
			}
		})
		reviewer := newReviewer(t, Config{Client: server})
		begun := time.Now()
		var group sync.WaitGroup
		for i := range 10_000 {
			group.Go(func() {
				if _, err := reviewer.Review(t.Context(), certs.NewToken(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if server.most != DefaultInFlight {
			t.Errorf("%d reviews in flight, want %d", server.most, DefaultInFlight)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("10,000 reviews of 5 ms took %s", took)
		}
	})
}

func TestBadConfigs(t *testing.T) {
	if _, err := NewReviewer(Config{}); err == nil {
		t.Error("a config without a client was taken")
	}
	if _, err := NewReviewer(Config{Client: newReviews(always(good())), Remember: time.Hour}); err == nil {
		t.Error("answers would be remembered for an hour")
	}
}
