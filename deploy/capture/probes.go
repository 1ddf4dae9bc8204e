package capture

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// probes are what is tried in each family, in the order of the report.
var probes = []struct {
	name string
	try  func(*prober, context.Context, family) Finding
}{
	{"outbound", (*prober).outbound},
	{"own-ports", (*prober).ownPorts},
	{"inbound", (*prober).inbound},
	{"proxy", (*prober).proxy},
	{"self", (*prober).self},
	{"application", (*prober).application},
}

// A program of the pod connects to the outside: it gets to the proxy.
func (p *prober) outbound(ctx context.Context, f family) Finding {
	return p.leave(ctx, f, attempt{
		who: "a program", user: p.program, to: netip.AddrPortFrom(f.peer.Addr(), p.outPort), want: OutboundPort,
	})
}

// A program connects to a port of a proxy elsewhere: it gets to where such connections are closed.
func (p *prober) ownPorts(ctx context.Context, f family) Finding {
	return p.leave(ctx, f, attempt{
		who: "a program", user: p.program, to: netip.AddrPortFrom(f.peer.Addr(), p.outOwn), want: InboundPort,
	})
}

// leave tries a connection to the outside, unless that is excluded.
func (p *prober) leave(ctx context.Context, f family, a attempt) Finding {
	for _, cidr := range p.config.Exclude.OutboundCIDRs {
		switch {
		case !cidr.Contains(f.peer.Addr()):
		case cidr.Bits() == 0:
			return Finding{Result: Absent, Detail: fmt.Sprintf("%s is excluded, which is everything", cidr)}
		default:
			return Finding{Result: Untried, Detail: fmt.Sprintf("%s is excluded, in which the check's own address is", cidr)}
		}
	}
	return p.connect(ctx, a)
}

// Somebody outside connects to the pod: it gets to the proxy.
func (p *prober) inbound(ctx context.Context, f family) Finding {
	return p.connect(ctx, attempt{
		who: "a peer", outside: true, user: p.program, to: netip.AddrPortFrom(f.here.Addr(), p.inOwn), want: InboundPort,
	})
}

// The proxy connects to the outside: it gets there.
func (p *prober) proxy(ctx context.Context, f family) Finding {
	return p.connect(ctx, attempt{
		who: "the proxy", user: p.config.ProxyUser, to: netip.AddrPortFrom(f.peer.Addr(), p.outPort), want: p.outPort, wantOutside: true,
	})
}

// The proxy connects to the pod's own address: it gets to itself, inbound.
func (p *prober) self(ctx context.Context, f family) Finding {
	return p.connect(ctx, attempt{
		who: "the proxy", user: p.config.ProxyUser, to: netip.AddrPortFrom(f.here.Addr(), p.inOwn), want: InboundPort,
	})
}

// The proxy connects to its application: it gets there.
func (p *prober) application(ctx context.Context, f family) Finding {
	application, err := p.wire.listen(ctx, netip.AddrPortFrom(f.here.Addr(), 0).String())
	if err != nil {
		return Finding{Result: Untried, Detail: err.Error()}
	}
	at := application.Addr().(*net.TCPAddr).AddrPort()
	return p.connect(ctx, attempt{
		who: "the proxy", user: p.config.ProxyUser, from: f.appSource, to: at, want: at.Port(),
	})
}
