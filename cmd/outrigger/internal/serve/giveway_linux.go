package serve

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// threadsFolder has an entry for each thread of the process (proc_pid_task(5)).
	threadsFolder = "/proc/self/task"
	// giveWayLooks bounds how often it is looked for threads that others made meanwhile, who had not been told yet.
	giveWayLooks = 10
)

// giveWay has Linux schedule the process as SCHED_BATCH (sched(7)): a thread of ours that wakes waits until the processor
// is free or its turn has come, and does not push off who runs there. Threads made later inherit it.
func giveWay() error {
	for range giveWayLooks {
		told, err := tellThreads()
		if told == 0 || err != nil {
			return err
		}
	}
	return nil
}

// tellThreads returns how many threads had to be told.
func tellThreads() (int, error) {
	ids, err := threadIDs()
	if err != nil {
		return 0, err
	}
	told := 0
	for _, id := range ids {
		was, err := tellThread(id)
		if err != nil && !errors.Is(err, unix.ESRCH) { // It may have ended.
			return told, os.NewSyscallError("sched_setattr", err)
		}
		if was {
			told++
		}
	}
	return told, nil
}

// threadIDs returns those of all threads of the process.
func threadIDs() ([]int, error) {
	threads, err := os.ReadDir(threadsFolder)
	if err != nil {
		return nil, err
	}
	ids := make([]int, len(threads))
	for i, thread := range threads {
		if ids[i], err = strconv.Atoi(thread.Name()); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// tellThread reports whether the thread had to be told. One to whom an operator gave another policy keeps it.
func tellThread(id int) (bool, error) {
	now, err := unix.SchedGetAttr(id, 0)
	if err != nil || now.Policy != unix.SCHED_NORMAL {
		return false, err
	}
	batch := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Flags: now.Flags, Nice: now.Nice}
	return true, unix.SchedSetAttr(id, &batch, 0)
}
