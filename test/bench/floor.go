package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const (
	// floorChange is the length of a response with one changed assignment, as adsclient counts it.
	floorChange = 353
	// floorWarm is how many pushes come before those that count, floorFirsts how often a first connection's bytes are pushed.
	floorWarm, floorFirsts = 10, 3
	// explicitBytes and captureBytes are what a first connection was seen to get for each service, by kind of proxy.
	explicitBytes, captureBytes = 1135, 3160
)

// floor is the least that any server needs which speaks over the same transport as ours: for connecting, for writing
// what ours writes, and for reading an answer each. It is CPU of the server process per connection.
type floor struct {
	kind string
	// connect is accepting, the handshake and, with gRPC, the stream.
	connect time.Duration
	// change is one push of floorChange bytes, first are the pushes of a first connection.
	change, first time.Duration
	// times are those of the pushes of floorChange bytes, sorted.
	times floorTimes
}

// firstPushes returns the size and number of the large responses of a first connection: one a type.
func (o options) firstPushes() (size, number int) {
	if o.capture {
		return o.services * captureBytes / 4, 4
	}
	return o.services * explicitBytes / 2, 2
}

// floorTarget is a running server of bare connections.
type floorTarget struct {
	floorConfig
	process *process
	tls     *tls.Config
}

func measureFloors(ctx context.Context, o options, dir string) ([]floor, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the floor: %w", err)
	}
	var floors []floor
	for _, kind := range []string{floorTLS, floorGRPC} {
		fmt.Fprintf(os.Stderr, "floor: %s\n", kind)
		t, err := startFloor(ctx, floorConfig{dir: dir + "/data", kind: kind, connections: o.streams}, dir+"/log-"+kind)
		if err != nil {
			return nil, err
		}
		f, err := t.measure(ctx, o)
		if err := errors.Join(err, t.process.stop(ctx)); err != nil {
			return nil, fmt.Errorf("%s: %w; its log is %s", kind, err, t.process.logs)
		}
		floors = append(floors, f)
	}
	return floors, nil
}

// startFloor starts a server; the addresses of c are chosen here.
func startFloor(ctx context.Context, c floorConfig, logs string) (*floorTarget, error) {
	var err error
	if c.address, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if c.control, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("own path: %w", err)
	}
	p, err := start(ctx, logs, self, c.args()...)
	if err != nil {
		return nil, err
	}
	t := &floorTarget{floorConfig: c, process: p}
	if err = waitFor(ctx, p, c.address); err == nil {
		t.tls, err = clientTLS(c.dir)
	}
	if err != nil {
		return nil, errors.Join(err, p.stop(ctx))
	}
	return t, nil
}

// measure connects all clients, has the server push to them, and ends them.
func (t *floorTarget) measure(ctx context.Context, o options) (floor, error) {
	f := floor{kind: t.kind}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	clients, running := errgroup.WithContext(running)
	size, number := o.firstPushes()
	steps := []struct {
		cpu *time.Duration // nil: what is done warms up only
		per int
		do  func() error
	}{
		{&f.connect, 1, func() error { return t.connect(running, clients) }},
		{nil, 1, func() error { return t.push(running, floorChange, floorWarm, nil) }},
		{&f.change, o.changes, func() error { return t.push(running, floorChange, o.changes, &f.times) }},
		{nil, 1, func() error { return t.push(running, size, number, nil) }},
		{&f.first, floorFirsts, func() error { return t.push(running, size, number*floorFirsts, nil) }},
	}
	var err error
	for _, s := range steps {
		var spent time.Duration
		if spent, err = t.process.spent(s.do); err != nil {
			break
		}
		if s.cpu != nil {
			*s.cpu = spent / time.Duration(s.per*t.connections)
		}
	}
	cancel()
	return f, errors.Join(clients.Wait(), err)
}

// connect starts all clients and waits until the server has them.
func (t *floorTarget) connect(ctx context.Context, clients *errgroup.Group) error {
	for range t.connections {
		clients.Go(func() error {
			if err := t.follow(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("client: %w", err)
			}
			return nil
		})
	}
	return t.push(ctx, floorChange, 0, nil)
}

// push tells the server to push, and waits until it has all answers. It sets the times that this took, sorted, unless they are nil.
func (t *floorTarget) push(ctx context.Context, size, times int, took *floorTimes) error {
	url := fmt.Sprintf("http://%s/?size=%d&times=%d", t.control, size, times)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("push: %s: %s", response.Status, text)
	}
	if err != nil || took == nil {
		return err
	}
	if err := json.Unmarshal(text, took); err != nil {
		return fmt.Errorf("push: its times: %w", err)
	}
	slices.Sort(took.Sent)
	slices.Sort(took.Answered)
	return nil
}

// follow is one client: it answers what it gets until ctx or the connection ends.
func (t *floorTarget) follow(ctx context.Context) error {
	if t.kind == floorGRPC {
		return t.followGRPC(ctx)
	}
	return t.followTLS(ctx)
}

func (t *floorTarget) followTLS(ctx context.Context) error {
	conn, err := (&tls.Dialer{Config: t.tls}).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	reader, answer := bufio.NewReader(conn), make([]byte, floorAnswer)
	for {
		header, err := reader.Peek(floorHeader)
		if err != nil {
			return err
		}
		if _, err := reader.Discard(int(binary.BigEndian.Uint32(header))); err != nil {
			return err
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

func (t *floorTarget) followGRPC(ctx context.Context) error {
	conn, err := grpc.NewClient("passthrough:///"+t.address,
		grpc.WithTransportCredentials(credentials.NewTLS(t.tls)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(floorCodec{}), grpc.MaxCallRecvMsgSize(64<<20)),
		grpc.WithStaticStreamWindowSize(floorWindow), grpc.WithStaticConnWindowSize(floorWindow), grpc.WithReadBufferSize(4<<10))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/bench.Floor/Follow")
	if err != nil {
		return err
	}
	var length int
	answer := make([]byte, floorAnswer)
	for {
		if err := stream.RecvMsg(&length); err != nil {
			return err
		}
		if err := stream.SendMsg(answer); err != nil {
			return err
		}
	}
}
