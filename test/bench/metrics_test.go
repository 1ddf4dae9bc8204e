package main

import (
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// served are the metrics of a registry, over HTTP.
func served(t *testing.T, all ...prometheus.Collector) func() map[string]histogram {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(all...)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(server.Close)
	return func() map[string]histogram {
		t.Helper()
		read, err := scrape(t.Context(), server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return read
	}
}

func native(name string, buckets uint32) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: "A time.", Buckets: []float64{1}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: buckets,
	})
}

// TestPercentilesOfTheServersOwn: only what came since the first reading counts, to the width of a bucket.
func TestPercentilesOfTheServersOwn(t *testing.T) {
	for name, buckets := range map[string]uint32{"fine": 160, "made coarser between the readings": 12} {
		t.Run(name, func(t *testing.T) {
			h := native("a_seconds", buckets)
			read := served(t, h, prometheus.NewGauge(prometheus.GaugeOpts{Name: "other", Help: "No histogram."}))
			for range 500 {
				h.Observe(0.9)
			}
			before := read()["a_seconds"]
			for i := range 1000 {
				h.Observe(float64(i+1) / 1e3 / 10)
			}
			now := read()["a_seconds"]
			got := now.since(before)
			if (now.schema < before.schema) != (buckets < 100) {
				t.Fatalf("the histogram had schema %d and has %d", before.schema, now.schema)
			}
			// One bucket's width, and a little for the values at its edge.
			off := 1.02 * math.Exp2(math.Exp2(-float64(got.schema)))
			if got.count != 1000 || got.seconds < 49 || got.seconds > 51 {
				t.Errorf("%d values of %f seconds in all", got.count, got.seconds)
			}
			for p, want := range map[int]time.Duration{0: 100 * time.Microsecond, 50: 50 * time.Millisecond, 99: 99 * time.Millisecond} {
				if at := got.percentile(p); at < want || float64(at) > off*float64(want) {
					t.Errorf("p%d is %s, want %s or little more", p, at, want)
				}
			}
		})
	}
}

func TestPercentileOfNothing(t *testing.T) {
	read := served(t, native("a_seconds", 160))
	if got := read()["a_seconds"].since(histogram{}); got.count != 0 || got.percentile(99) != 0 {
		t.Errorf("%+v, p99 %s", got, got.percentile(99))
	}
}
