package rude

import (
	"context"
	"errors"
	"fmt"
	"strings"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
)

// steps does something again and again, at the client's pace.
func (c *client) steps(ctx context.Context, s *over, do func(i int)) {
	for i := 0; s.alive(); i++ {
		do(i)
		if !c.pause(ctx) {
			return
		}
	}
}

// refuseAll refuses every response of every type, before, when and after it comes, and asks again for what it refused.
func refuseAll(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		first := refusal(typeURLs[0], "")
		first.Node = c.node()
		s.say(first)
		for _, url := range typeURLs[1:] {
			s.say(refusal(url, "of another server"))
		}
		c.steps(ctx, s, func(i int) {
			select {
			case r := <-s.came:
				s.say(refusal(r.TypeUrl, r.Nonce))
				s.say(refusal(r.TypeUrl, r.Nonce))
				again := &discovery.DeltaDiscoveryRequest{TypeUrl: endpoints}
				for _, res := range r.Resources {
					again.ResourceNamesSubscribe = append(again.ResourceNamesSubscribe, res.Name)
				}
				s.say(again)
			default:
				s.say(refusal(typeURLs[i%len(typeURLs)], "stale"))
			}
		})
	})
}

// manyNames asks for 10,000 names at once, gives them up, and asks for others.
func manyNames(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		node := c.node()
		var before []string
		c.steps(ctx, s, func(i int) {
			if i%10 != 0 { // A message of 300 KB each time would be a flood.
				return
			}
			names := make([]string, 10_000)
			for n := range names {
				names[n] = fmt.Sprintf("outbound|80||rude-%d-%d.nowhere", i, n)
			}
			s.say(&discovery.DeltaDiscoveryRequest{
				TypeUrl: endpoints, Node: node, ResourceNamesSubscribe: names, ResourceNamesUnsubscribe: before,
			})
			s.answer()
			node, before = nil, names
		})
	})
}

// answer acknowledges what came last.
func (s *over) answer() {
	select {
	case r := <-s.came:
		s.say(&discovery.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
	default:
	}
}

// missingNames asks for one name after another that nobody has, of every type and of one that there is not.
func missingNames(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		node := c.node()
		urls := append([]string{typePrefix + "service.runtime.v3.Runtime"}, typeURLs...)
		c.steps(ctx, s, func(i int) {
			s.say(&discovery.DeltaDiscoveryRequest{
				TypeUrl: urls[i%len(urls)], Node: node, ResourceNamesSubscribe: []string{fmt.Sprint("never-", i)},
			})
			s.answer()
			node = nil
		})
	})
}

// anothersNode says that it is who it is not.
func anothersNode(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		node := c.node()
		node.Id = c.config.Foreign
		s.say(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[0], Node: node})
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	})
}

// switchNode begins as itself and goes on as others.
func switchNode(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		s.say(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[0], Node: c.node()})
		c.steps(ctx, s, func(i int) {
			node := c.node()
			node.Id = c.config.Foreign
			s.say(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[i%len(typeURLs)], Node: node})
			s.answer()
		})
	})
}

// reconnect leaves as soon as it is answered, as if it had nothing every time.
func reconnect(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		s.say(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[0], Node: c.node()})
		select {
		case <-s.came:
		case <-s.done:
		case <-ctx.Done():
		}
	})
}

// thousandStreams opens 1,000 streams of one identity, ten over each connection, and keeps those that it may.
func thousandStreams(ctx context.Context, c *client) error {
	ctx, cancel := context.WithCancel(ctx)
	var all []*over
	var conns []*grpc.ClientConn
	defer func() {
		cancel()
		for _, s := range all {
			<-s.done
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	for i := range 1000 {
		if i%10 == 0 {
			conn, err := c.dial()
			if err != nil {
				return err
			}
			conns = append(conns, conn)
		}
		s := c.open(ctx, conns[len(conns)-1])
		if s == nil {
			return nil
		}
		all = append(all, s)
		s.say(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[0], Node: c.node()})
		if !wait(ctx, c.config.Pace/10) {
			return nil
		}
	}
	return nil
}

// anyOrder says all that a client can say, in any order, and in the end what none can.
func anyOrder(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		node := c.node()
		c.steps(ctx, s, func(i int) {
			r := c.anything(s)
			r.Node, node = node, nil
			if i == 200 {
				r = &discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{"of no type"}}
			}
			s.say(r)
		})
	})
}

// anything is a message by chance.
func (c *client) anything(s *over) *discovery.DeltaDiscoveryRequest {
	names := []string{"*", "identity", "roots", "inbound", "outbound", "outbound|80||service-0.bench", "nowhere"}
	some := func() (list []string) {
		for range c.chance.IntN(4) {
			list = append(list, names[c.chance.IntN(len(names))])
		}
		return list
	}
	r := &discovery.DeltaDiscoveryRequest{
		TypeUrl: typeURLs[c.chance.IntN(len(typeURLs))], ResourceNamesSubscribe: some(), ResourceNamesUnsubscribe: some(),
	}
	if c.chance.IntN(4) == 0 {
		r.InitialResourceVersions = map[string]string{names[c.chance.IntN(len(names))]: "1"}
	}
	select {
	case last := <-s.came:
		r.TypeUrl, r.ResponseNonce = last.TypeUrl, last.Nonce
		if c.chance.IntN(2) == 0 {
			r.ErrorDetail = refusal("", "").ErrorDetail
		}
	default:
	}
	return r
}

// garbage sends a message whose bytes are none.
func garbage(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		r := &discovery.DeltaDiscoveryRequest{Node: c.node()}
		r.ProtoReflect().SetUnknown([]byte("\x12\xff\xff\xff\xff\x07"))
		s.say(r)
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	})
}

// tooLong sends one message of 20 MB.
func tooLong(ctx context.Context, c *client) error {
	if c.number > 0 && !wait(ctx, 10*c.config.Pace) {
		return nil
	}
	return c.with(ctx, func(ctx context.Context, s *over) {
		r := refusal(typeURLs[0], strings.Repeat("n", 20<<20))
		r.Node = c.node()
		if err := s.Send(r); err != nil && ctx.Err() == nil {
			return
		}
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	})
}

// flood sends as fast as it is let, and never pauses.
func flood(ctx context.Context, c *client) error {
	return c.with(ctx, func(ctx context.Context, s *over) {
		r := &discovery.DeltaDiscoveryRequest{TypeUrl: typeURLs[0], Node: c.node()}
		for err := error(nil); err == nil && ctx.Err() == nil; {
			err = errors.Join(s.Send(r), ctx.Err())
			r = &discovery.DeltaDiscoveryRequest{TypeUrl: endpoints, ResourceNamesSubscribe: []string{"nowhere"}, ResponseNonce: "stale"}
		}
	})
}
