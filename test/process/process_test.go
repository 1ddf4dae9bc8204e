package process_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/test/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell starts a script, and waits until it has called up.
func shell(t *testing.T, ctx context.Context, script string) *process.Process {
	t.Helper()
	up := filepath.Join(t.TempDir(), "up")
	if err := syscall.Mkfifo(up, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := process.Start(ctx, process.Config{
		Path: "/bin/sh", Args: []string{"-c", "up() { echo up >" + up + "; }; " + script}, Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if said, err := os.ReadFile(up); err != nil || string(said) != "up\n" {
		t.Fatalf("it said %q, error %v", said, err)
	}
	return p
}

func gone(t *testing.T, p *process.Process) {
	t.Helper()
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: %v, want no such process", p.PID(), err)
	}
}

func TestStopEndsGently(t *testing.T) {
	p := shell(t, t.Context(), `trap 'echo bye; exit 0' TERM; up; while :; do sleep 0.01; done`)
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if said := p.Logs(); !strings.Contains(said, "bye") {
		t.Errorf("the log is %q, want bye in it", said)
	}
	gone(t, p)
}

func TestStopTellsOfAFailure(t *testing.T) {
	p := shell(t, t.Context(), "up; echo no luck >&2; exit 3")
	<-p.Exited()
	err := p.Stop()
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("error %v, want one with the status and the log", err)
	}
}

func TestKillIsNoWarning(t *testing.T) {
	p := shell(t, t.Context(), "trap '' TERM; up; while :; do sleep 0.01; done")
	p.Kill()
	gone(t, p)
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("error %v, want one that says killed", err)
	}
}

func TestProcessEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := shell(t, ctx, "up; exec sleep 1000")
	cancel()
	<-p.Exited()
	gone(t, p)
}

func TestStartNeedsAProgram(t *testing.T) {
	_, err := process.Start(t.Context(), process.Config{Path: "/no/such/program", Log: filepath.Join(t.TempDir(), "log")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}
