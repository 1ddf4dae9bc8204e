package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"outrigger.dev/outrigger/test/cluster/binary"
)

// lockEvery is how often a builder that waits for another one tries again.
const lockEvery = 200 * time.Millisecond

// lock waits until no other builder of this tree is at work. The lock ends with the process at the latest.
func lock(ctx context.Context, tree binary.Tree) (unlock func(), err error) {
	if err := os.MkdirAll(tree.Cache(), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(tree.Cache(), "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := acquire(ctx, file); err != nil {
		file.Close()
		return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
	}
	return func() { file.Close() }, nil
}

func acquire(ctx context.Context, file *os.File) error {
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EWOULDBLOCK {
			return err
		}
		if !told {
			fmt.Println("waiting for another builder to finish")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
