package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// self is the test as a process that is measured.
func self(t *testing.T) *process {
	t.Helper()
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return &process{cmd: &exec.Cmd{Process: p}, logs: "the log"}
}

// rusage is the kernel's other account of what this process has run.
func rusage(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Error(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestSpentIsTheCPUOfAllThreads computes on two threads, and idles on none.
func TestSpentIsTheCPUOfAllThreads(t *testing.T) {
	const burn, blur = 200 * time.Millisecond, 40 * time.Millisecond
	var want time.Duration
	got, err := self(t).spent(func() error {
		start := rusage(t)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				for used := time.Duration(0); used < burn; used = rusage(t) - start {
					runtime.Gosched()
				}
			})
		}
		both.Wait()
		want = rusage(t) - start
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want < burn || got < want-blur || got > want+blur {
		t.Errorf("spent %s, the kernel also says %s", got, want)
	}
	if got, err := self(t).spent(func() error { return nil }); err != nil || got > blur {
		t.Errorf("spent %s doing nothing, error %v", got, err)
	}
}

func TestSchedstatIsTimeRunNotWaited(t *testing.T) {
	if got, err := parseSchedstat("1500000000 7000 12\n"); err != nil || got != 1500*time.Millisecond {
		t.Errorf("%s, error %v", got, err)
	}
	if got, err := parseSchedstat(""); err == nil {
		t.Errorf("%s of nothing", got)
	}
}

func TestSpentTellsWhatFailed(t *testing.T) {
	failed := errors.New("failed")
	if _, err := self(t).spent(func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

// TestMemoryIsTheAnonymousOne: pages that could be another's, as those of files, do not count.
func TestMemoryIsTheAnonymousOne(t *testing.T) {
	const size, blur = 64 << 20, 8 << 20
	for flags, want := range map[int]int64{syscall.MAP_PRIVATE: size, syscall.MAP_SHARED: 0} {
		if got := grown(t, size, flags); got < want-blur || got > want+blur {
			t.Errorf("with flags %d it grew by %d bytes, want %d", flags, got, want)
		}
	}
}

// grown returns by how much the memory of the test grows by a mapping that is written to.
func grown(t *testing.T, size, flags int) int64 {
	t.Helper()
	p := self(t)
	before, err := p.memory()
	if err != nil {
		t.Fatal(err)
	}
	block, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|flags)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(block); i += os.Getpagesize() {
		block[i] = 1
	}
	after, err := p.memory()
	if err := errors.Join(err, syscall.Munmap(block)); err != nil {
		t.Fatal(err)
	}
	return after - before
}

func TestAProcessThatEnded(t *testing.T) {
	t.Setenv(asCommand, "1")
	logs := filepath.Join(t.TempDir(), "log")
	p, err := start(t.Context(), logs, os.Args[0], "-no-such-flag")
	if err != nil {
		t.Fatal(err)
	}
	address, err := freeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := waitFor(t.Context(), p, address); err == nil || !strings.Contains(err.Error(), logs) {
		t.Errorf("error %v, want one that names the log", err)
	}
	if text, err := os.ReadFile(logs); err != nil || !strings.Contains(string(text), "no-such-flag") {
		t.Errorf("log %q, error %v", text, err)
	}
	if _, err := p.cpu(); err == nil || !strings.Contains(err.Error(), logs) {
		t.Errorf("error %v, want one that names the log", err)
	}
	if _, err := p.memory(); err == nil {
		t.Error("the memory of no process")
	}
	if err := p.stop(t.Context()); err != nil {
		t.Error(err)
	}
}
