// Command build builds the real programs that tests run (test/cluster/binary
// has the table) from their Go modules into .cache/cluster, each once.
// `make cluster` runs it.
//
// It imports the standard library and test/cluster/binary only. It fetches
// nothing itself: the go command does, and checks the hashes in the go.sum
// files under .ci/cluster.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"outrigger.dev/outrigger/test/cluster/binary"
)

// tellEvery is how often a build that takes long says that it still goes on.
const tellEvery = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	tree, err := binary.Here()
	if err != nil {
		return err
	}
	// Nothing is to be seen of a run that has nothing to do.
	if missing, err := missing(tree); err != nil || len(missing) == 0 {
		return err
	}
	unlock, err := lock(ctx, tree)
	if err != nil {
		return err
	}
	defer unlock()
	// Another builder may have been at work until now.
	todo, err := missing(tree)
	if err != nil {
		return err
	}
	for i, b := range todo {
		if err := build(ctx, tree, b, fmt.Sprintf("%d of %d", i+1, len(todo))); err != nil {
			return err
		}
	}
	return nil
}

// missing are the programs that have to be built.
func missing(tree binary.Tree) ([]binary.Binary, error) {
	var all []binary.Binary
	for _, b := range binary.All() {
		built, err := tree.Built(b)
		if err != nil {
			return nil, err
		}
		if !built {
			all = append(all, b)
		}
	}
	return all, nil
}

func build(ctx context.Context, tree binary.Tree, b binary.Binary, which string) error {
	version, err := tree.Version(b)
	if err != nil {
		return err
	}
	fmt.Printf("building %s %s (%s; minutes where nothing is cached)\n", b.Name, version, which)
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- tree.Build(ctx, b, os.Stderr) }()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err == nil {
				fmt.Printf("built %s in %.0f s\n", b.Name, time.Since(start).Seconds())
			}
			return err
		case <-tick.C:
			fmt.Printf("  still building %s: %.0f s\n", b.Name, time.Since(start).Seconds())
		}
	}
}
