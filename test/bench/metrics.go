package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
)

// The metrics of the server that are read.
const (
	// metricToSend times the way from the source's reading until the last stream was sent it.
	metricToSend = "outrigger_send_seconds"
	// metricToACK times the way from the source's reading to the last ACK, only where some stream had to be told.
	metricToACK = "outrigger_propagation_seconds"
	// metricApply times each batch of changes; metricWoken counts a wait for every stream that was woken.
	metricApply = "outrigger_apply_seconds"
	metricWoken = "outrigger_push_queue_seconds"
)

// scrape reads all histograms that have no labels.
func scrape(ctx context.Context, address string) (map[string]histogram, error) {
	all := map[string]histogram{}
	err := readMetrics(ctx, address, func(name string, m *dto.Metric) {
		if h := m.GetHistogram(); h != nil && len(m.GetLabel()) == 0 {
			all[name] = newHistogram(h)
		}
	})
	return all, err
}

// gaugeOf returns the sum of a gauge or counter over all its labels.
func gaugeOf(ctx context.Context, address, name string) (sum float64, err error) {
	err = readMetrics(ctx, address, func(found string, m *dto.Metric) {
		if found == name {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	})
	return sum, err
}

// readMetrics tells every metric of a server.
func readMetrics(ctx context.Context, address string, tell func(name string, m *dto.Metric)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	// Only this form carries the fine buckets.
	req.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("metrics of %s: %s", address, resp.Status)
	}
	return tellMetrics(resp.Body, tell)
}

func tellMetrics(r io.Reader, tell func(name string, m *dto.Metric)) error {
	for in := bufio.NewReader(r); ; {
		var family dto.MetricFamily
		err := protodelim.UnmarshalFrom(in, &family)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
		for _, m := range family.GetMetric() {
			tell(family.GetName(), m)
		}
	}
}

// histogram is a native one: bucket i holds what is at most 2^(i/2^schema) seconds and more than the bucket before it.
type histogram struct {
	count   uint64
	seconds float64
	schema  int32
	buckets map[int]int64
	zeros   int64
}

func newHistogram(h *dto.Histogram) histogram {
	out := histogram{
		count: h.GetSampleCount(), seconds: h.GetSampleSum(), schema: h.GetSchema(), zeros: int64(h.GetZeroCount()), buckets: map[int]int64{},
	}
	at, n, deltas := 0, int64(0), h.GetPositiveDelta()
	for _, span := range h.GetPositiveSpan() {
		at += int(span.GetOffset())
		for range span.GetLength() {
			if len(deltas) == 0 {
				return out
			}
			n, deltas = n+deltas[0], deltas[1:]
			out.buckets[at] = n
			at++
		}
	}
	return out
}

// coarser returns the same with buckets of another schema, which is not finer.
func (h histogram) coarser(schema int32) histogram {
	for ; h.schema > schema; h.schema-- {
		wider := map[int]int64{}
		for i, n := range h.buckets {
			wider[(i+1)>>1] += n
		}
		h.buckets = wider
	}
	return h
}

// since returns what came after an earlier reading of the same histogram.
func (h histogram) since(before histogram) histogram {
	if before.count > 0 {
		schema := min(h.schema, before.schema)
		h, before = h.coarser(schema), before.coarser(schema)
	}
	h.buckets = maps.Clone(h.buckets)
	for i, n := range before.buckets {
		h.buckets[i] -= n
	}
	h.count, h.seconds, h.zeros = h.count-before.count, h.seconds-before.seconds, h.zeros-before.zeros
	return h
}

// percentile returns the upper bound of the bucket in which the value of that rank is; 0 of nothing.
func (h histogram) percentile(p int) time.Duration {
	rank := (int64(h.count) - 1) * int64(p) / 100
	seen := h.zeros
	for _, i := range slices.Sorted(maps.Keys(h.buckets)) {
		if seen += h.buckets[i]; seen > rank {
			return time.Duration(math.Exp2(float64(i)*math.Exp2(-float64(h.schema))) * float64(time.Second))
		}
	}
	return 0
}
