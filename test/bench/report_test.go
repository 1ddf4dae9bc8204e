package main

import (
	"bytes"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/golden"
)

func TestReport(t *testing.T) {
	ours := result{
		server: "outrigger", ours: true, firstCPU: 2500 * time.Microsecond, firstBytes: 1_134_852, firstTook: 3100 * time.Millisecond,
		idleCPU: 1234 * time.Microsecond,
		change: changed{
			cpu: 4975 * time.Microsecond, p50: 1240 * time.Microsecond, p99: 42 * time.Millisecond,
			toACK: histogram{count: 10, schema: 3, buckets: map[int]int64{-60: 8, -50: 2}},
		},
		added:     &added{cpu: 70 * time.Microsecond, bytes: 1341},
		view:      returned{cpu: 90 * time.Microsecond, took: time.Second, sent: counts{bodies: 200_000, resources: 500}},
		reconnect: returned{cpu: 849_960 * time.Nanosecond, took: 900 * time.Millisecond},
		restart:   &returned{took: 2 * time.Second, cpu: 1200 * time.Microsecond, peak: 420_000_000},
		memory:    memory{before: 15_500_000, with: 398_400_000, rested: 315_500_000},
	}
	stock := result{
		server: "SnapshotCache", firstCPU: 28 * time.Millisecond, firstBytes: 1_240_000,
		change:    changed{cpu: 7371 * time.Millisecond, p50: 6673 * time.Millisecond, p99: 13_440 * time.Millisecond},
		added:     &added{cpu: 16 * time.Millisecond, bytes: 1374},
		reconnect: returned{cpu: 3400 * time.Microsecond, sent: counts{bodies: 12}},
		memory:    memory{before: 90_000_000, with: 1_686_000_000, rested: 1_590_000_000},
	}
	scoped, scopedStock := ours, stock
	scoped.added, scoped.unseen = nil, &unseen{cpu: 410 * time.Microsecond}
	scopedStock.added, scopedStock.unseen = nil, &unseen{cpu: 500 * time.Microsecond}
	rested := result{server: "outrigger", ours: true, memory: memory{before: 15_500_000, with: 398_400_000, rested: 215_500_000}}
	rolling := &rollingResult{streams: 500, restarts: []returned{
		{took: 1200 * time.Millisecond, cpu: 600 * time.Microsecond, sent: counts{bytes: 100_000}, peak: 300_000_000},
		{took: 1300 * time.Millisecond, cpu: 700 * time.Microsecond, sent: counts{bytes: 150_000}, peak: 310_000_000},
	}}
	floors := []floor{
		{
			kind: floorTLS, connect: 314 * time.Microsecond, change: 12 * time.Microsecond, first: 552 * time.Microsecond,
			times: floorTimes{Sent: []time.Duration{11 * time.Millisecond, 12 * time.Millisecond}, Answered: []time.Duration{21 * time.Millisecond, 22 * time.Millisecond}},
		},
		{kind: floorGRPC, connect: 404 * time.Microsecond, change: 22_560 * time.Nanosecond, first: 629 * time.Microsecond},
	}
	texts := map[string][]byte{}
	for name, test := range map[string]struct {
		options options
		figures figures
	}{
		"one.txt":     {options{}, figures{servers: []result{ours}}},
		"two.txt":     {options{capture: true}, figures{servers: []result{ours, stock}}},
		"floor.txt":   {options{}, figures{floors: floors}},
		"all.txt":     {options{capture: true}, figures{servers: []result{ours, stock}, floors: floors}},
		"scope.txt":   {options{scope: 20}, figures{servers: []result{scoped, scopedStock}}},
		"idle.txt":    {options{scope: 10, idle: time.Minute}, figures{servers: []result{rested}}},
		"rolling.txt": {options{}, figures{rolling: rolling}},
	} {
		test.options.services, test.options.streams = 1000, 500
		var text bytes.Buffer
		if err := report(&text, test.options, test.figures); err != nil {
			t.Fatal(err)
		}
		texts[name] = text.Bytes()
	}
	golden.Files(t, "testdata/report", texts)
}
