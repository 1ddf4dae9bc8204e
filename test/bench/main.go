package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// options are the flags of the command.
type options struct {
	outrigger string
	services  int
	streams   int
	changes   int
	added     int
	servers   string
	capture   bool
	scope     int
	idle      time.Duration
	// perConnection is how many clients share a connection.
	perConnection int
	envoys        int
	keep          bool
	// against is another build of our server; empty: none.
	against string
	// profile is where to write what our server spends its time on; empty: nowhere.
	profile string
	// registryServices and registryEndpoints are the size of a large registry; 0 services: it is left out.
	registryServices, registryEndpoints int
}

// mesh is what the options describe, in a folder.
func (o options) mesh(dir string) mesh {
	return mesh{dir: dir, services: o.services, streams: o.streams, capture: o.capture, scope: o.scope}
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// clientPercent is how much garbage clients leave, of what they hold, before they collect it on the processors of the server
// that is measured.
const clientPercent = 200

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == stockCommand {
		return runStock(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == rudeCommand {
		return runCrowd(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == floorCommand {
		c, err := parseFloor(args[1:])
		if err != nil {
			return err
		}
		return runFloor(ctx, c)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(clientPercent)
	}
	dir, err := os.MkdirTemp("", "outrigger-bench-")
	if err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	if o.keep {
		fmt.Fprintln(os.Stderr, "work folder:", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	if o.against != "" {
		return measureAgainst(ctx, o, dir)
	}
	if o.profile != "" {
		return profileOurs(ctx, o, dir)
	}
	return measureAll(ctx, o, dir)
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.outrigger, "outrigger", "bin/outrigger", "the server to measure")
	flags.StringVar(&o.against, "against", "", "another build of our server: nothing is measured but endpoint changes and reconnects, which both make by turns")
	flags.IntVar(&o.services, "services", 1000, "services of two endpoints each")
	flags.IntVar(&o.streams, "streams", 1000, "clients")
	flags.IntVar(&o.scope, "scope", 0, "services that every client declares, ten clients the same ones; 0: every service is in scope")
	flags.IntVar(&o.changes, "changes", 20, "endpoint changes to measure")
	flags.IntVar(&o.added, "added", 10, "services to add one by one")
	flags.StringVar(&o.servers, "servers", "outrigger,SnapshotCache", "what to measure, in this order: outrigger, SnapshotCache, floor, rude, replicas, kubernetes, consul")
	flags.BoolVar(&o.capture, "capture", false, "clients that capture: a listener and routes for every service, too")
	flags.DurationVar(&o.idle, "idle", 0, "connect, rest that long, and measure no more")
	flags.IntVar(&o.perConnection, "per-connection", 1, "with -servers outrigger or SnapshotCache: clients that share a connection")
	flags.IntVar(&o.envoys, "envoys", 3, "with -servers rude: Envoys among the well-behaved clients")
	flags.IntVar(&o.registryServices, "registry-services", 10000, "with -servers kubernetes: services of a large registry; 0: leave it out")
	flags.IntVar(&o.registryEndpoints, "registry-endpoints", 10, "endpoints of each of them")
	flags.StringVar(&o.profile, "profile", "", "measure nothing, but have our server do what servers mostly do, and write into this file what it spends its time on, for the compiler")
	flags.BoolVar(&o.keep, "keep", false, "keep the work folder")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.added < 1 || o.added > 10000 {
		return o, errors.New("-added takes 1 to 10000")
	}
	if o.scope != 0 && (o.scope < 2 || o.scope > o.services/4) {
		return o, errors.New("-scope takes 2 to a quarter of -services, or 0")
	}
	if err := o.checkSharing(); err != nil {
		return o, err
	}
	if o.profile != "" && o.against != "" {
		return o, errors.New("-profile and -against exclude each other")
	}
	if o.profile != "" && o.scope != 0 {
		return o, errors.New("-profile is for clients with everything in scope, without -scope")
	}
	if o.envoys < 0 || o.envoys > 100 || o.idle < 0 {
		return o, errors.New("-envoys takes 0 to 100, -idle no negative time")
	}
	if o.registryServices < 0 || o.registryServices > 20000 || o.registryEndpoints < 1 || o.registryEndpoints > 100 {
		return o, errors.New("-registry-services takes 0 to 20000, -registry-endpoints 1 to 100")
	}
	if o.services < 1 || o.streams < 1 || o.services > 10000 || o.streams > 60000 || o.changes < 1 || o.changes > 60000 {
		return o, errors.New("-services takes 1 to 10000, -streams and -changes 1 to 60000")
	}
	return o, nil
}

// checkSharing refuses connections of more clients than a server lets share one, and with servers whose clients need their own.
func (o options) checkSharing() error {
	const most = 16
	if o.perConnection < 1 || o.perConnection > most {
		return fmt.Errorf("-per-connection takes 1 to %d", most)
	}
	for name := range strings.SplitSeq(o.servers, ",") {
		if o.perConnection > 1 && name != "outrigger" && name != "SnapshotCache" {
			return fmt.Errorf("-per-connection is for -servers outrigger and SnapshotCache, not %s", name)
		}
	}
	return nil
}
