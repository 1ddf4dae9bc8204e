package serve

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// policies counts the threads of this process by their scheduling policy.
func policies(t *testing.T) map[uint32]int {
	t.Helper()
	ids, err := threadIDs()
	if err != nil {
		t.Fatal(err)
	}
	count := map[uint32]int{}
	for _, id := range ids {
		if attr, err := unix.SchedGetAttr(id, 0); err == nil {
			count[attr.Policy]++
		}
	}
	return count
}

func TestGiveWay(t *testing.T) {
	// A thread of its own has an operator's policy; the goroutine never unlocks, so that it ends.
	ready, done := make(chan int), make(chan struct{})
	defer close(done)
	go func() {
		runtime.LockOSThread()
		idle := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := unix.SchedSetAttr(0, &idle, 0); err != nil {
			t.Error(err)
		}
		ready <- unix.Gettid()
		<-done
	}()
	operators := <-ready

	if err := giveWay(); err != nil {
		t.Fatal(err)
	}
	attr, err := unix.SchedGetAttr(operators, 0)
	if err != nil {
		t.Fatal(err)
	}
	if attr.Policy != unix.SCHED_IDLE {
		t.Errorf("a thread of policy SCHED_IDLE has policy %d now", attr.Policy)
	}
	if all := policies(t); all[unix.SCHED_NORMAL] > 0 || all[unix.SCHED_BATCH] == 0 {
		t.Errorf("threads by policy: %v, want none of SCHED_NORMAL (%d)", all, unix.SCHED_NORMAL)
	}
	later := make(chan uint32)
	go func() {
		runtime.LockOSThread()
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Error(err)
			attr = &unix.SchedAttr{}
		}
		later <- attr.Policy
	}()
	if policy := <-later; policy != unix.SCHED_BATCH {
		t.Errorf("a later goroutine runs on a thread of policy %d, want SCHED_BATCH (%d)", policy, unix.SCHED_BATCH)
	}
}
