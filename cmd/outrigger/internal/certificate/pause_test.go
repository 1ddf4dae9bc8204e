package certificate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TestPause: who is told when to come again comes then, within reason, and others not all at once.
func TestPause(t *testing.T) {
	hinted := func(delay time.Duration) error {
		st, err := status.New(codes.Unavailable, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Errorf("control plane: %w", st.Err())
	}
	for delay, want := range map[time.Duration]time.Duration{7 * time.Second: 7 * time.Second, 0: minBackoff, time.Hour: maxBackoff} {
		if got := pauseFor(8*time.Second, hinted(delay)); got != want {
			t.Errorf("told to come after %s: after %s, want %s", delay, got, want)
		}
	}
	seen := map[time.Duration]bool{}
	for range 100 {
		for _, err := range []error{nil, errors.New("no"), status.Error(codes.Unavailable, "away")} {
			pause := pauseFor(8*time.Second, err)
			if pause <= 4*time.Second || pause > 8*time.Second {
				t.Fatalf("after %v it waits %s", err, pause)
			}
			seen[pause] = true
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d different pauses", len(seen))
	}
}
