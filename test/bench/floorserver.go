package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"

	"outrigger.dev/outrigger/certs"
)

const (
	// floorCommand is the hidden word by which the program starts itself as the server of bare connections.
	floorCommand = "serve-floor"

	floorTLS  = "TLS"
	floorGRPC = "gRPC"

	// floorAnswer is the length of every answer: that of an acknowledgement of one endpoint change.
	floorAnswer = 80
	// floorHeader stands before every push and holds its length.
	floorHeader = 4
	// floorWindow is the server's own window for what a client sends.
	floorWindow = 1 << 20
)

// floorConfig is what a server of bare connections needs.
type floorConfig struct {
	dir  string // of the authority
	kind string // floorTLS or floorGRPC
	// address is for the connections, control for the orders to push.
	address, control string
	connections      int
}

func (c floorConfig) args() []string {
	return []string{floorCommand, c.dir, c.kind, c.address, c.control, strconv.Itoa(c.connections)}
}

func parseFloor(args []string) (c floorConfig, err error) {
	if len(args) != 5 {
		return c, errors.New(floorCommand + ": want a folder, a kind, two addresses and a number of connections")
	}
	c = floorConfig{dir: args[0], kind: args[1], address: args[2], control: args[3]}
	if c.kind != floorTLS && c.kind != floorGRPC {
		return c, fmt.Errorf("kind of the floor: %q is neither %s nor %s", c.kind, floorTLS, floorGRPC)
	}
	if c.connections, err = strconv.Atoi(args[4]); err == nil && c.connections < 1 {
		err = errors.New("must be at least 1")
	}
	if err != nil {
		return c, fmt.Errorf("number of connections: %q: %w", args[4], err)
	}
	return c, nil
}

// floorServer pushes to all its connections when it is told to, and waits for their answers.
type floorServer struct {
	// kicks hold what each connection is to send; the first joined of them are in use.
	kicks  []chan []byte
	joined atomic.Int64
	full   chan struct{} // closed when all connections are there
	// unsent is the number of connections that the present push is not written to yet, and sent when it came to be 0.
	unsent atomic.Int64
	sent   atomic.Pointer[time.Time]
	// missing is the number of writes and answers that the present push waits for; answered gets one value when it is 0.
	missing  atomic.Int64
	answered chan struct{}
}

// floorTimes are how long pushes took: from their beginning to the last write, and to the last answer.
type floorTimes struct {
	Sent, Answered []time.Duration
}

func newFloorServer(connections int) *floorServer {
	s := &floorServer{kicks: make([]chan []byte, connections), full: make(chan struct{}), answered: make(chan struct{}, 1)}
	for i := range s.kicks {
		s.kicks[i] = make(chan []byte, 1)
	}
	return s
}

// runFloor serves until ctx ends.
func runFloor(ctx context.Context, c floorConfig) error {
	authority, err := certs.Open(certs.Config{Dir: c.dir, TrustDomain: trustDomain})
	if err != nil {
		return err
	}
	config, err := authority.ServerTLS(nil)
	if err != nil {
		return err
	}
	control, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.control)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	links, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.address)
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), control.Close())
	}
	s := newFloorServer(c.connections)
	group, ctx := errgroup.WithContext(ctx)
	orders := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	group.Go(func() error { return orders.Serve(control) })
	group.Go(func() error { <-ctx.Done(); return errors.Join(ctx.Err(), orders.Close()) })
	if c.kind == floorGRPC {
		server := s.grpc(config)
		group.Go(func() error { return server.Serve(links) })
		group.Go(func() error { <-ctx.Done(); server.Stop(); return ctx.Err() })
	} else {
		group.Go(func() error { return s.acceptTLS(ctx, group, links, config) })
		group.Go(func() error { <-ctx.Done(); return errors.Join(ctx.Err(), links.Close()) })
	}
	return group.Wait()
}

// ServeHTTP takes the order to push messages of `size` bytes, one after the other, `times` times. It answers when
// every connection has answered every one, with a JSON of floorTimes.
func (s *floorServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	size, sizeErr := strconv.ParseUint(r.FormValue("size"), 10, 31)
	times, timesErr := strconv.Atoi(r.FormValue("times"))
	if err := errors.Join(sizeErr, timesErr); err != nil || size < floorHeader {
		http.Error(w, fmt.Sprintf("want a size of at least %d and a number of times: %v", floorHeader, err), http.StatusBadRequest)
		return
	}
	message := make([]byte, size)
	binary.BigEndian.PutUint32(message, uint32(size))
	took, err := s.push(r.Context(), message, times)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(took) // Who asked sees that it ends early.
}

// push begins when all connections are there, and sends each message once the one before it is answered.
func (s *floorServer) push(ctx context.Context, message []byte, times int) (took floorTimes, err error) {
	select {
	case <-ctx.Done():
		return took, ctx.Err()
	case <-s.full:
	}
	for range times {
		began := time.Now()
		if err := s.pushOnce(ctx, message); err != nil {
			return took, err
		}
		took.Answered = append(took.Answered, time.Since(began))
		took.Sent = append(took.Sent, s.sent.Load().Sub(began))
	}
	return took, nil
}

// pushOnce sends a message and waits until all have answered.
func (s *floorServer) pushOnce(ctx context.Context, message []byte) error {
	s.unsent.Store(int64(len(s.kicks)))
	s.missing.Store(2 * int64(len(s.kicks)))
	for _, kick := range s.kicks {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case kick <- message:
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.answered:
		return nil
	}
}

// wrote notes that the present push was written to one more connection.
func (s *floorServer) wrote() {
	if s.unsent.Add(-1) == 0 {
		now := time.Now()
		s.sent.Store(&now)
	}
	s.done()
}

// done notes one more write or answer.
func (s *floorServer) done() {
	if s.missing.Add(-1) != 0 {
		return
	}
	select {
	case s.answered <- struct{}{}:
	default: // The push before this one was given up, and so is this.
	}
}

// floorLink is a connection as the server sees it: push sends a message, answer waits for an answer.
type floorLink struct {
	push   func([]byte) error
	answer func() error
}

// serve pushes from one goroutine and reads answers in another until ctx or the connection ends.
func (s *floorServer) serve(ctx context.Context, link floorLink) error {
	place := s.joined.Add(1)
	if place > int64(len(s.kicks)) {
		return fmt.Errorf("there are %d connections already", len(s.kicks))
	}
	if place == int64(len(s.kicks)) {
		close(s.full)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.pushAll(ctx, link, s.kicks[place-1]) })
	group.Go(func() error { return s.answers(link) })
	return group.Wait()
}

func (s *floorServer) pushAll(ctx context.Context, link floorLink, kick <-chan []byte) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case message := <-kick:
			if err := link.push(message); err != nil {
				return err
			}
			s.wrote()
		}
	}
}

func (s *floorServer) answers(link floorLink) error {
	for {
		if err := link.answer(); err != nil {
			return err
		}
		s.done()
	}
}

// acceptTLS serves bare TLS connections; what goes wrong on one is seen by its client.
func (s *floorServer) acceptTLS(ctx context.Context, group *errgroup.Group, l net.Listener, config *tls.Config) error {
	for {
		accepted, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		group.Go(func() error {
			conn := tls.Server(accepted, config)
			stop := context.AfterFunc(ctx, func() { _ = accepted.Close() })
			defer stop()
			defer func() { _ = conn.Close() }()
			if conn.HandshakeContext(ctx) != nil {
				return nil
			}
			answer := make([]byte, floorAnswer)
			_ = s.serve(ctx, floorLink{
				push:   func(message []byte) error { _, err := conn.Write(message); return err },
				answer: func() error { _, err := io.ReadFull(conn, answer); return err },
			})
			return nil
		})
	}
}

// grpc serves streams of any method, with the options of xds/server that a message's cost depends on.
func (s *floorServer) grpc(config *tls.Config) *grpc.Server {
	return grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(floorCodec{}), grpc.ReadBufferSize(4<<10),
		grpc.StaticStreamWindowSize(floorWindow), grpc.StaticConnWindowSize(floorWindow),
		grpc.UnknownServiceHandler(s.serveStream))
}

func (s *floorServer) serveStream(_ any, stream grpc.ServerStream) error {
	var length int
	return s.serve(stream.Context(), floorLink{
		push:   func(message []byte) error { return stream.SendMsg(message) },
		answer: func() error { return stream.RecvMsg(&length) },
	})
}

// floorCodec sends bytes as they are, and looks at nothing of what it receives but the length.
type floorCodec struct{}

// Marshal takes bytes.
func (floorCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("cannot marshal %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal puts the length into an int.
func (floorCodec) Unmarshal(data mem.BufferSlice, v any) error {
	length, ok := v.(*int)
	if !ok {
		return fmt.Errorf("cannot unmarshal into %T", v)
	}
	*length = data.Len()
	return nil
}

// Name returns the name of the content type, which is that of the stock codec.
func (floorCodec) Name() string { return "proto" }
