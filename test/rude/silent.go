package rude

import (
	"context"
	"crypto/tls"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
)

// halfOpen stops at one point of a connection's beginning after another, and holds it until the server ends it.
func halfOpen(ctx context.Context, c *client) error {
	const stages = 5
	switch stage := c.number % stages; stage {
	case 0, 1:
		return c.holdConnection(ctx, stage == 1)
	default:
		return c.holdStream(ctx, stage-2)
	}
}

// holdConnection says nothing, or no more than TLS needs.
func (c *client) holdConnection(ctx context.Context, secured bool) error {
	conn, stop, err := c.tcp(ctx)
	if err != nil {
		return err
	}
	defer func() {
		stop()
		_ = conn.Close()
	}()
	if secured {
		conn = tls.Client(conn, c.config.TLS)
		if _, err := conn.Write(nil); err != nil {
			return err
		}
	}
	// What the server says meanwhile is of no interest, only that it ends.
	for buf := make([]byte, 1024); ; {
		if _, err := conn.Read(buf); err != nil {
			break
		}
	}
	if ctx.Err() == nil {
		c.tally.ended(codes.Unavailable, "the connection was closed")
	}
	return nil
}

// holdStream stops before the stream, after its headers, or in the midst of its first message.
func (c *client) holdStream(ctx context.Context, stage int) error {
	w, err := c.wire(ctx)
	if err != nil {
		return err
	}
	defer c.end(ctx, w)
	if stage > 0 {
		if err := c.begin(w); err != nil {
			return err
		}
	}
	if stage > 1 {
		if err := w.write([]byte("\x00\x00\x00\x01\x00half")); err != nil {
			return err
		}
	}
	select {
	case <-w.over:
	case <-ctx.Done():
	}
	return nil
}

// byteByByte sends one message, a byte a second.
func byteByByte(ctx context.Context, c *client) error {
	w, err := c.wire(ctx)
	if err != nil {
		return err
	}
	defer c.end(ctx, w)
	text, err := message(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[0], Node: c.node()})
	if err != nil {
		return err
	}
	if err := c.begin(w); err != nil {
		return err
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for i := 0; ; i++ {
		if i < len(text) && w.write(text[i:i+1]) != nil {
			return nil // It was ended, which is what end counts.
		}
		select {
		case <-w.over:
			return nil
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// readNothing asks for everything and opens no window for the answers, and asks again.
func readNothing(ctx context.Context, c *client) error {
	w, err := c.wire(ctx)
	if err != nil {
		return err
	}
	defer c.end(ctx, w)
	if err := c.begin(w); err != nil {
		return err
	}
	ticker := time.NewTicker(c.config.Pace)
	defer ticker.Stop()
	said := names{}
	for i := 0; ; i++ {
		r := &discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[i%2]}
		if i == 0 {
			r.Node = c.node()
		}
		text, err := c.text(r, said)
		if err != nil {
			return err
		}
		if w.write(text) != nil {
			return nil // It was ended, which is what end counts.
		}
		select {
		case <-w.over:
			return nil
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// text is a request in the client's form of the protocol.
func (c *client) text(r *discovery.DeltaDiscoveryRequest, said names) ([]byte, error) {
	if c.sotw {
		return message(said.request(r))
	}
	return message(r)
}
