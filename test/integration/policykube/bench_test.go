package policykube_test

import (
	"sync"
	"testing"
	"time"

	"outrigger.dev/outrigger/certs"
	certskube "outrigger.dev/outrigger/certs/kube"
)

// BenchmarkReviews has a real API server review the tokens of many proxies that come at once, each token for the first time.
func BenchmarkReviews(b *testing.B) {
	const proxies = 2000
	pod := addPod(b, "cart-bench")
	client, err := certskube.NewClient(outrigger(b))
	must(b, err)
	run := 0
	for b.Loop() {
		b.StopTimer()
		run++
		tokens := make([]certs.Token, proxies)
		for i := range tokens {
			tokens[i] = certs.NewToken(forge(b, pod, time.Hour+time.Duration(run*proxies+i)*time.Second))
		}
		reviewer, err := certskube.NewReviewer(certskube.Config{Client: client})
		must(b, err)
		b.StartTimer()
		var group sync.WaitGroup
		for _, token := range tokens {
			group.Go(func() {
				if _, err := reviewer.Review(b.Context(), token); err != nil {
					b.Error(err)
				}
			})
		}
		group.Wait()
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/proxies, "µs/proxy")
}
