package capture

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

const (
	tableName = "outrigger"
	// hookPriority is that of destination NAT. The inet family has no name for it in the output hook.
	hookPriority = -100
)

// loopSources are where the proxy's connections to its application come from; xds/translate binds them.
var (
	loopSourceV4 = netip.AddrFrom4([4]byte{127, 0, 0, 6})
	loopSourceV6 = netip.AddrFrom16([16]byte{15: 6})

	loopbackV4 = netip.MustParsePrefix("127.0.0.0/8")
	loopbackV6 = netip.MustParsePrefix("::1/128")
)

// chain is one of the table's two.
type chain struct {
	name  string
	hook  *nftables.ChainHook
	rules []rule
}

// rule is a rule as people write it and as the kernel keeps it.
type rule struct {
	text  string
	exprs []expr.Any
}

// table returns all rules. Of each connection they see the first packet only.
func (c Config) table() []chain {
	return []chain{
		{name: "out", hook: nftables.ChainHookOutput, rules: c.outbound()},
		{name: "in", hook: nftables.ChainHookPrerouting, rules: c.inbound()},
	}
}

func (c Config) outbound() []rule {
	out := []rule{
		// A pod that calls its own service reaches its application through its own proxy.
		join(user(c.ProxyUser), overLoopback(), notFrom(loopSourceV4), notTo(loopbackV4), redirect(InboundPort)),
		join(user(c.ProxyUser), overLoopback(), notFrom(loopSourceV6), notTo(loopbackV6), redirect(InboundPort)),
		join(user(c.ProxyUser), leave()),
	}
	for _, u := range c.Exclude.Users {
		out = append(out, join(user(u), leave()))
	}
	// What a process says to its own pod stays inside, by whatever address.
	out = append(out, join(overLoopback(), leave()))
	for _, r := range c.Exclude.OutboundPorts {
		out = append(out, join(toPorts(r), leave()))
	}
	for _, p := range c.Exclude.OutboundCIDRs {
		out = append(out, join(to(p), leave()))
	}
	// Port 15001 would hand them to this proxy's own listener of the same port, as if it were the other pod's. Port 15006 closes them.
	out = append(out, join(toPorts(ownPorts), redirect(InboundPort)))
	return append(out, redirect(OutboundPort))
}

func (c Config) inbound() []rule {
	var out []rule
	for _, port := range []uint16{readyPort, metricsPort} {
		out = append(out, join(toPorts(PortRange{port, port}), leave()))
	}
	for _, r := range c.Exclude.InboundPorts {
		out = append(out, join(toPorts(r), leave()))
	}
	return append(out, redirect(InboundPort))
}

// join makes one rule of several parts.
func join(parts ...rule) rule {
	var all rule
	for i, p := range parts {
		if i > 0 {
			all.text += " "
		}
		all.text += p.text
		all.exprs = append(all.exprs, p.exprs...)
	}
	return all
}

// Print writes the table as `nft -f` reads it. The configuration must be valid.
func (c Config) Print(w io.Writer) error {
	c, err := c.checked()
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "table inet %s {\n", tableName)
	for _, chain := range c.table() {
		hook := "output"
		if chain.hook == nftables.ChainHookPrerouting {
			hook = "prerouting"
		}
		fmt.Fprintf(&text, "\tchain %s {\n\t\ttype nat hook %s priority %d; policy accept;\n", chain.name, hook, hookPriority)
		for _, r := range chain.rules {
			fmt.Fprintf(&text, "\t\t%s\n", r.text)
		}
		text.WriteString("\t}\n")
	}
	text.WriteString("}\n")
	_, err = io.WriteString(w, text.String())
	return err
}
