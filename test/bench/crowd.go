package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"outrigger.dev/outrigger/test/bench/adsclient"
	"outrigger.dev/outrigger/test/rude"
)

// rudeCommand is the hidden word by which the program starts itself as the rude clients.
const rudeCommand = "be-rude"

// The words of the crowd's log: all have begun; one ended as it must not; what became of a kind.
const (
	saidBegun = "begun"
	saidWrong = "wrong\t"
	saidKind  = "kind\t"
)

// runCrowd is a client of every kind, under the names of the last clients of the mesh, until ctx ends.
func runCrowd(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New(rudeCommand + ": want a folder, an address and a number of clients")
	}
	streams, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("number of clients: %w", err)
	}
	// What must be signed is signed before ctx may end.
	configs, err := clientConfigs(context.WithoutCancel(ctx), options{streams: streams}, args[0], args[1])
	if err != nil {
		return err
	}
	kinds := rude.Kinds()
	if len(configs) <= len(kinds) {
		return fmt.Errorf("%s: want more than %d clients", rudeCommand, len(kinds))
	}
	tallies := make([]rude.Tally, len(kinds))
	wrong := make(chan error, len(kinds))
	var running sync.WaitGroup
	for i, kind := range kinds {
		c := rudeConfig(configs[len(configs)-1-i], configs[0].Node, i)
		running.Go(func() { wrong <- kind.Run(ctx, c, &tallies[i]) })
	}
	if awaitBegin(ctx, tallies) {
		fmt.Println(saidBegun)
	}
	running.Wait()
	for i, kind := range kinds {
		fmt.Printf("%s%s\t%s\n", saidKind, kind.Name, &tallies[i])
		if err := <-wrong; err != nil {
			fmt.Printf("%s%v\n", saidWrong, err)
		}
	}
	return nil
}

func rudeConfig(c adsclient.Config, foreign string, seed int) rude.Config {
	return rude.Config{
		Address: c.Address, TLS: c.TLS, Token: c.Token, Node: c.Node, Cluster: c.Cluster, Foreign: foreign, Seed: uint64(seed),
	}
}

// awaitBegin waits until each has made a connection.
func awaitBegin(ctx context.Context, tallies []rude.Tally) bool {
	for i := range tallies {
		for tallies[i].Rounds() == 0 {
			if !pause(ctx, changeEvery) {
				return false
			}
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// crowd is the process of the rude clients.
type crowd struct{ *process }

// annoy starts the crowd and waits until all have begun.
func (t *target) annoy(ctx context.Context, streams int) (crowd, error) {
	self, err := os.Executable()
	if err != nil {
		return crowd{}, fmt.Errorf("own path: %w", err)
	}
	p, err := start(ctx, t.dir+"/rude.log", self, rudeCommand, t.dir, t.address, strconv.Itoa(streams))
	if err != nil {
		return crowd{}, err
	}
	c := crowd{p}
	for {
		lines, err := c.said()
		switch {
		case err != nil:
			return c, errors.Join(err, p.stop(ctx))
		case slices.Contains(lines, saidBegun):
			return c, nil
		}
		select {
		case err := <-p.exit:
			return c, fmt.Errorf("the rude clients ended: %w; their log is %s", err, p.logs)
		default:
		}
		if !pause(ctx, changeEvery) {
			return c, errors.Join(ctx.Err(), p.stop(ctx))
		}
	}
}

// said returns the lines of the crowd's log.
func (c crowd) said() ([]string, error) {
	text, err := os.ReadFile(filepath.Clean(c.logs))
	if err != nil {
		return nil, fmt.Errorf("log of the rude clients: %w", err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n"), nil
}

// end stops the crowd and returns what became of each kind. The error says which ended as they must not.
func (c crowd) end(ctx context.Context) ([]string, error) {
	if err := c.stop(ctx); err != nil {
		return nil, err
	}
	lines, err := c.said()
	if err != nil {
		return nil, err
	}
	return readCrowd(lines)
}

func readCrowd(lines []string) (kinds []string, err error) {
	for _, line := range lines {
		if kind, ok := strings.CutPrefix(line, saidKind); ok {
			kinds = append(kinds, kind)
		}
		if text, ok := strings.CutPrefix(line, saidWrong); ok {
			err = errors.Join(err, errors.New(text))
		}
	}
	if len(kinds) == 0 {
		err = errors.Join(err, errors.New("the rude clients did not say what became of them"))
	}
	return kinds, err
}
