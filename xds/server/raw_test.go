package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// rawClient speaks HTTP/2 by itself, so that it can do what gRPC's client never does: it gives the server no
// window beyond the first 64 KB.
type rawClient struct {
	tb     testing.TB
	conn   net.Conn
	framer *http2.Framer
	over   chan struct{}

	mu    sync.Mutex // of all below, and of writing
	buf   []byte
	inbox []*discovery.DeltaDiscoveryResponse
}

// rawDial connects a raw client; it reads until the server ends the connection or the test is over.
func (m *mesh) rawDial() *rawClient {
	m.tb.Helper()
	raw, err := m.listener.DialContext(context.Background())
	if err != nil {
		m.tb.Fatal(err)
	}
	config := clientTLS()
	config.NextProtos = []string{"h2"}
	conn := tls.Client(raw, config)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		m.tb.Fatal(err)
	}
	c := &rawClient{
		tb: m.tb, conn: conn, framer: http2.NewFramer(conn, conn), over: make(chan struct{}),
	}
	if err := c.framer.WriteSettings(); err != nil {
		m.tb.Fatal(err)
	}
	go c.receive()
	m.tb.Cleanup(func() {
		_ = raw.Close() // Not that of TLS, which may wait for a server that does not read.
		<-c.over
	})
	return c
}

func (c *rawClient) receive() {
	defer close(c.over)
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return
		}
		c.mu.Lock()
		c.take(frame)
		c.mu.Unlock()
	}
}

func (c *rawClient) take(frame http2.Frame) {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			_ = c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			_ = c.framer.WritePing(true, frame.Data)
		}
	case *http2.DataFrame:
		c.buf = append(c.buf, frame.Data()...)
		c.messages()
	}
}

// messages cuts what was received into responses.
func (c *rawClient) messages() {
	const prefix = 5
	for len(c.buf) >= prefix {
		size := prefix + int(binary.BigEndian.Uint32(c.buf[1:]))
		if len(c.buf) < size {
			return
		}
		r := &discovery.DeltaDiscoveryResponse{}
		if err := proto.Unmarshal(c.buf[prefix:size], r); err != nil {
			c.tb.Errorf("a response cannot be read: %v", err)
		}
		c.inbox = append(c.inbox, r)
		c.buf = c.buf[size:]
	}
}

// open begins the stream of a token.
func (c *rawClient) open(token string) error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, h := range [][2]string{
		{":method", "POST"},
		{":scheme", "https"},
		{":authority", "outrigger"},
		{":path", discovery.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
		{"authorization", "Bearer " + token},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	const frame = 16 << 10
	rest := block.Bytes()
	first := rest[:min(frame, len(rest))]
	rest = rest[len(first):]
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndHeaders: len(rest) == 0})
	for err == nil && len(rest) > 0 {
		part := rest[:min(frame, len(rest))]
		rest = rest[len(part):]
		err = c.framer.WriteContinuation(1, len(rest) == 0, part)
	}
	return err
}

func (c *rawClient) send(r *discovery.DeltaDiscoveryRequest) {
	body, err := proto.Marshal(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	message := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	// The end of the stream is no failure: it is what these clients are here for.
	if err = errors.Join(err, c.framer.WriteData(1, false, message)); err != nil {
		c.tb.Logf("not sent: %v", err)
	}
}

// received returns the responses so far.
func (c *rawClient) received() []*discovery.DeltaDiscoveryResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*discovery.DeltaDiscoveryResponse(nil), c.inbox...)
}
