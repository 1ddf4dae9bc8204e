package rude_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"outrigger.dev/outrigger/test/rig"
	"outrigger.dev/outrigger/test/rude"
)

// TestWellBehavedAreServed: beside rude clients of every kind, no well-behaved one is closed, Envoys among them, all get every
// change, the server's memory is bounded, and it is the rude ones who are told so.
func TestWellBehavedAreServed(t *testing.T) {
	kinds := rude.Kinds()
	r := newRig(t, len(kinds))
	f, proxies := r.connect(t), r.envoys(t)
	tallies := make([]*rude.Tally, len(kinds))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i, kind := range kinds {
		tallies[i] = &rude.Tally{}
		name := fmt.Sprint("rude-", i)
		config := rude.Config{
			Address: r.XDS(), TLS: r.tls, Token: r.token(t, name), Node: "bench/" + name, Cluster: "bench/client",
			Foreign: "bench/good-0", Seed: uint64(i),
		}
		running.Go(func() {
			if err := kind.Run(ctx, config, tallies[i]); err != nil {
				t.Error(err)
			}
		})
	}
	defer running.Wait()
	defer cancel()
	const changes = 40
	changed := 0
	change := func() {
		changed++
		full := f.expect(fmt.Sprintf("outbound|80||service-%d.bench", changed%services))
		address := r.writeService(t, changed%services, changed)
		f.await(t, full)
		haveEndpoint(t, proxies, address)
	}
	for range changes {
		change()
	}
	rig.Eventually(t, "every rude client is told what it has to be", func() error {
		change()
		for i, kind := range kinds {
			if tallies[i].Rounds() == 0 || kind.Must != codes.OK && tallies[i].Ends(kind.Must) == 0 {
				return fmt.Errorf("%s: %s", kind.Name, tallies[i])
			}
		}
		return nil
	})
	cancel()
	running.Wait()
	wereServed(t, proxies)
	for i, kind := range kinds {
		t.Logf("%s: %s", kind.Name, tallies[i])
	}
	if peak := peakMemory(t, r.ServerPID()); peak > memoryBound {
		t.Errorf("the server's peak memory is %d MB", peak>>20)
	} else {
		t.Logf("%d changes, peak memory %d MB", changed, peak>>20)
	}
}

// memoryBound is far above what the server needs with all these clients, and far below what they would have it hold.
const memoryBound = 250 << 20

func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("the kernel does not say the peak of memory")
	return 0
}
