package rude

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// wire is a connection that speaks HTTP/2 by itself, and so does what gRPC's client never does. It opens no window.
type wire struct {
	conn   net.Conn
	framer *http2.Framer
	mu     sync.Mutex    // of writing
	over   chan struct{} // closed when the server has ended the stream or the connection
	code   codes.Code    // set before over is closed
	stop   func() bool
}

// tcp connects; the connection is closed with ctx.
func (c *client) tcp(ctx context.Context) (net.Conn, func() bool, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.config.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("a rude client: %w", err)
	}
	return conn, context.AfterFunc(ctx, func() { _ = conn.Close() }), nil
}

// wire connects as far as HTTP/2's settings.
func (c *client) wire(ctx context.Context) (*wire, error) {
	raw, stop, err := c.tcp(ctx)
	if err != nil {
		return nil, err
	}
	config := c.config.TLS.Clone()
	config.NextProtos = []string{"h2"}
	conn := tls.Client(raw, config)
	w := &wire{conn: conn, framer: http2.NewFramer(conn, conn), over: make(chan struct{}), code: codes.Unavailable, stop: stop}
	_, err = conn.Write([]byte(http2.ClientPreface))
	if err = errors.Join(err, w.framer.WriteSettings()); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("a rude client: %w", err)
	}
	w.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	go w.receive()
	return w, nil
}

func (w *wire) receive() {
	defer close(w.over)
	for {
		frame, err := w.framer.ReadFrame()
		if err != nil || w.take(frame) {
			return
		}
	}
}

// take answers what keeps a connection alive, and reports the end of the stream.
func (w *wire) take(frame http2.Frame) (ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			_ = w.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			_ = w.framer.WritePing(true, frame.Data)
		}
	case *http2.MetaHeadersFrame:
		for _, h := range frame.Fields {
			if n, err := strconv.Atoi(h.Value); err == nil && h.Name == "grpc-status" {
				w.code = codes.Code(n)
			}
		}
		return frame.StreamEnded()
	case *http2.RSTStreamFrame:
		return true
	}
	return false
}

// begin begins the stream, in the client's form of the protocol.
func (c *client) begin(w *wire) error {
	path := discovery.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName
	if c.sotw {
		path = discovery.AggregatedDiscoveryService_StreamAggregatedResources_FullMethodName
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, h := range [][2]string{
		{":method", "POST"},
		{":scheme", "https"},
		{":authority", "outrigger"},
		{":path", path},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
		{"authorization", "Bearer " + c.config.Token},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
}

// write sends a part of the stream's messages.
func (w *wire) write(part []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.framer.WriteData(1, false, part)
}

// message is a request as gRPC carries it.
func message(r proto.Message) ([]byte, error) {
	body, err := proto.Marshal(r)
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...), err
}

// end counts how the server has ended the stream, closes the connection and waits for its reader.
func (c *client) end(ctx context.Context, w *wire) {
	select {
	case <-w.over:
		if ctx.Err() == nil {
			c.tally.ended(w.code, "")
		}
	default:
	}
	w.stop()
	_ = w.conn.Close()
	<-w.over
}
