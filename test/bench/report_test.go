package main

import (
	"bytes"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/golden"
)

func TestReport(t *testing.T) {
	ours := result{
		server: "outrigger", firstCPU: 2500 * time.Microsecond, firstBytes: 1_134_852, changeCPU: 9950 * time.Nanosecond,
		changeP50: 1240 * time.Microsecond, changeP99: 42 * time.Millisecond, addedCPU: 70 * time.Microsecond, addedBytes: 1341,
		reconnectCPU: 849_960 * time.Nanosecond, memory: 398_400_000, idleMemory: 15_500_000,
		firstTook: 3100 * time.Millisecond, reconnectTook: 900 * time.Millisecond, restarted: true, restartTook: 2 * time.Second,
		restartCPU: 1200 * time.Microsecond, restartPeak: 420_000_000,
	}
	stock := result{
		server: "SnapshotCache", firstCPU: 28 * time.Millisecond, firstBytes: 1_240_000, changeCPU: 14_742 * time.Microsecond,
		changeP50: 6673 * time.Millisecond, changeP99: 13_440 * time.Millisecond, addedCPU: 16 * time.Millisecond, addedBytes: 1374,
		reconnectCPU: 3400 * time.Microsecond, reconnectBody: 12, memory: 1_686_000_000, idleMemory: 90_000_000,
	}
	floors := []floor{
		{kind: floorTLS, connect: 314 * time.Microsecond, change: 12 * time.Microsecond, first: 552 * time.Microsecond},
		{kind: floorGRPC, connect: 404 * time.Microsecond, change: 22_560 * time.Nanosecond, first: 629 * time.Microsecond},
	}
	texts := map[string][]byte{}
	for name, test := range map[string]struct {
		capture bool
		figures figures
	}{
		"one.txt":   {false, figures{servers: []result{ours}}},
		"two.txt":   {true, figures{servers: []result{ours, stock}}},
		"floor.txt": {false, figures{floors: floors}},
		"all.txt":   {true, figures{servers: []result{ours, stock}, floors: floors}},
	} {
		var text bytes.Buffer
		if err := report(&text, options{services: 1000, streams: 500, capture: test.capture}, test.figures); err != nil {
			t.Fatal(err)
		}
		texts[name] = text.Bytes()
	}
	golden.Files(t, "testdata/report", texts)
}
