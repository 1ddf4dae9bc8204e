package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"outrigger.dev/outrigger/test/envoy"
)

// pinsFile holds the Envoys to run.
const pinsFile = ".ci/envoy-versions"

// errFailed says that a suite failed with some Envoy.
var errFailed = errors.New("not all passed")

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("compat", flag.ContinueOnError)
	chosen := flags.String("versions", "", `Envoys to run, as in "1.36.4 1.38.3"; "older" is all but the default one; empty is all`)
	logs := flags.String("logs", ".cache/compatibility", "folder for what the tests say")
	if err := flags.Parse(args); err != nil {
		return err
	}
	text, err := os.ReadFile(pinsFile)
	if err != nil {
		return fmt.Errorf("%w: run it from the top of the repository", err)
	}
	pins, err := parsePins(string(text))
	if err != nil {
		return err
	}
	versions, err := choose(pins, *chosen)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(*logs)
	if err != nil {
		return err
	}
	return tryAll(ctx, dir, versions)
}

// tryAll runs every suite with every version, all to the end, and prints how they fared.
func tryAll(ctx context.Context, dir string, versions []envoy.Release) error {
	if err := build(ctx, dir); err != nil {
		return err
	}
	var all []outcome
	for _, version := range versions {
		binary, err := fetch(ctx, version)
		if err != nil {
			return err
		}
		for _, s := range suites() {
			o, err := try(ctx, trial{suite: s, version: version, envoy: binary, dir: dir})
			if err != nil {
				return err
			}
			fmt.Println(o)
			all = append(all, o)
		}
	}
	fmt.Print("\n", resultTable(versions, all))
	return verdict(os.Stdout, all)
}

// verdict counts, and is an error unless every test of every suite passed.
func verdict(w io.Writer, all []outcome) error {
	passed, failed, skipped := 0, 0, 0
	err := error(nil)
	for _, o := range all {
		passed, failed, skipped = passed+o.passed, failed+len(o.failed), skipped+o.skipped
		if !o.ok {
			err = errFailed
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return err
}
