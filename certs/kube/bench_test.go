package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/certs"
)

// apiserver answers reviews over TLS and HTTP/2, each after the time that a real one took.
func apiserver(tb testing.TB) *rest.Config {
	tb.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		timer := time.NewTimer(5 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
			return
		case <-timer.C:
		}
		review.Status = good()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	tb.Cleanup(server.Close)
	return &rest.Config{
		Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
	}
}

// BenchmarkReconnect is ten thousand proxies that come back at once, each with a token of its own.
func BenchmarkReconnect(b *testing.B) {
	const proxies = 10_000
	client, err := NewClient(apiserver(b))
	if err != nil {
		b.Fatal(err)
	}
	var run atomic.Int64
	for b.Loop() {
		reviewer := newReviewer(b, Config{Client: client})
		n := run.Add(1)
		var group sync.WaitGroup
		for i := range proxies {
			group.Go(func() {
				if _, err := reviewer.Review(context.Background(), certs.NewToken(fmt.Sprintf("%d-%d", n, i))); err != nil {
					b.Error(err)
				}
			})
		}
		group.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/proxies*1000, "µs/proxy")
}

// BenchmarkRemembered is a review that was answered a moment ago.
func BenchmarkRemembered(b *testing.B) {
	reviewer := newReviewer(b, Config{Client: newReviews(always(good()))})
	token := certs.NewToken(tokenUntil(time.Now().Add(time.Hour)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reviewer.Review(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}
