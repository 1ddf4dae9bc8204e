package capture

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// firstPort is where the search for a port that is not excluded begins: nothing listens there on purpose.
const firstPort = 9

// prober makes connections, and looks where they arrive.
type prober struct {
	config Config
	wire   *wire
	// program is a user who is neither the proxy nor excluded.
	program uint32
	// outPort is a port outside, outOwn and inOwn are ports of the proxy's own that it closes; none is excluded.
	outPort, outOwn, inOwn uint16
}

// probe tries everything in both families.
func (c Config) probe(ctx context.Context) []Finding {
	// The sockets that are made belong to the namespace and to the user of this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	present := families()
	if hasNoIPv6() {
		present = present[:1]
	}
	p := &prober{config: c, program: c.program()}
	err := p.prepare(ctx, present)
	if p.wire != nil {
		defer p.wire.close()
	}
	var findings []Finding
	for _, f := range families() {
		for _, probe := range probes {
			found := Finding{Result: Absent, Detail: "the namespace has no IPv6"}
			switch {
			case err != nil:
				found = Finding{Result: Untried, Detail: err.Error()}
			case slices.Contains(present, f):
				found = probe.try(p, ctx, f)
			}
			found.Name = probe.name + "-" + f.name
			findings = append(findings, found)
		}
	}
	return findings
}

// prepare makes everything that connections can arrive at.
func (p *prober) prepare(ctx context.Context, present []family) error {
	if err := p.choosePorts(); err != nil {
		return err
	}
	var err error
	if p.wire, err = layWire(ctx, present); err != nil {
		return fmt.Errorf("connections can be tried by root only: %w", err)
	}
	for _, port := range []uint16{OutboundPort, InboundPort} {
		_, err := p.wire.listen(ctx, fmt.Sprintf(":%d", port))
		if err != nil && !errors.Is(err, unix.EADDRINUSE) {
			return err
		}
	}
	return errors.Join(p.wire.listenOutside(ctx, p.outPort), p.wire.listenOutside(ctx, p.outOwn))
}

// choosePorts finds ports that no rule leaves alone.
func (p *prober) choosePorts() error {
	e := p.config.Exclude
	taken := []PortRange{{OutboundPort, OutboundPort}, {InboundPort, InboundPort}}
	p.outPort = freePort(PortRange{firstPort, math.MaxUint16}, append(slices.Clone(e.OutboundPorts), ownPorts))
	p.outOwn = freePort(ownPorts, slices.Concat(taken, e.OutboundPorts))
	p.inOwn = freePort(ownPorts, slices.Concat(taken, e.InboundPorts, []PortRange{{readyPort, readyPort}, {metricsPort, metricsPort}}))
	if p.outPort == 0 || p.outOwn == 0 || p.inOwn == 0 {
		return errors.New("the exclusions leave no port to try")
	}
	return nil
}

// freePort is the first port of a range that is in none of the others; 0: there is none.
func freePort(within PortRange, others []PortRange) uint16 {
	for port := int(within.First); port <= int(within.Last); port++ {
		if !slices.ContainsFunc(others, func(r PortRange) bool { return r.has(uint16(port)) }) {
			return uint16(port)
		}
	}
	return 0
}

// program is a user whose connections are captured.
func (c Config) program() uint32 {
	var id uint32
	for id == c.ProxyUser || slices.Contains(c.Exclude.Users, id) {
		id++
	}
	return id
}
