package capture_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"outrigger.dev/outrigger/deploy/capture"
	"outrigger.dev/outrigger/test/netlab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	proxyUser = capture.DefaultProxyUser
	program   = 1000
	excluded  = 2000
	limit     = 5 * time.Second
)

func standard() capture.Config { return capture.Config{ProxyUser: proxyUser} }

// pair is a captured pod and one that is not, both with listeners that say who they are.
type pair struct {
	pod, peer *netlab.Pod
}

func newPair(t *testing.T, config capture.Config) *pair {
	t.Helper()
	lab := netlab.New(t)
	p := &pair{pod: lab.Pod(t, "pod"), peer: lab.Pod(t, "peer")}
	for pod, ports := range map[*netlab.Pod][]int{p.pod: {15001, 15006, 15021, 80, 9000}, p.peer: {80, 8080, 9000}} {
		for _, port := range ports {
			announce(t, pod, fmt.Sprintf(":%d", port), fmt.Sprintf("%s:%d", pod.Name, port))
		}
	}
	p.apply(t, config)
	return p
}

func (p *pair) apply(t *testing.T, config capture.Config) {
	t.Helper()
	if err := p.pod.Do(func() error { return capture.Apply(config) }); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) check(t *testing.T, config capture.Config) capture.Report {
	t.Helper()
	var report capture.Report
	if err := p.pod.Do(func() (err error) {
		report, err = capture.Check(t.Context(), config)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return report
}

// announce says a name, and the address that it sees, to whoever connects.
func announce(t *testing.T, pod *netlab.Pod, address, name string) {
	t.Helper()
	listener, err := pod.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			fmt.Fprintf(conn, "%s %s", name, host)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
}

// call connects as a user, and returns who answered.
func call(t *testing.T, from *netlab.Pod, uid int, to netip.Addr, port uint16) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	conn, err := from.DialAs(ctx, uid, netip.AddrPortFrom(to, port).String())
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	if err != nil {
		return err.Error()
	}
	name, _, _ := strings.Cut(string(text), " ")
	return name
}

func addresses(p *netlab.Pod) []netip.Addr { return []netip.Addr{p.IPv4, p.IPv6} }

func loopbacks() []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
}

func TestWhoIsRedirectedWhere(t *testing.T) {
	config := standard()
	config.Exclude = capture.Exclusions{
		InboundPorts:  []capture.PortRange{{First: 9000, Last: 9010}},
		OutboundPorts: []capture.PortRange{{First: 8080, Last: 8080}},
		Users:         []uint32{excluded},
	}
	p := newPair(t, config)
	for i, family := range []string{"IPv4", "IPv6"} {
		pod, peer, loopback := addresses(p.pod)[i], addresses(p.peer)[i], loopbacks()[i]
		for _, c := range []struct {
			name string
			from *netlab.Pod
			uid  int
			to   netip.Addr
			port uint16
			want string
		}{
			{"a program to the outside", p.pod, program, peer, 80, "pod:15001"},
			{"root to the outside", p.pod, 0, peer, 80, "pod:15001"},
			{"a program to a port of a proxy elsewhere", p.pod, program, peer, 15042, "pod:15006"},
			{"a program to the readiness of another pod", p.pod, program, peer, 15021, "pod:15006"},
			{"the proxy to the outside", p.pod, proxyUser, peer, 80, "peer:80"},
			{"an excluded user to the outside", p.pod, excluded, peer, 80, "peer:80"},
			{"a program to an excluded port", p.pod, program, peer, 8080, "peer:8080"},
			{"a program to itself over loopback", p.pod, program, loopback, 80, "pod:80"},
			{"a program to its own pod", p.pod, program, pod, 80, "pod:80"},
			{"the proxy to its own pod", p.pod, proxyUser, pod, 80, "pod:15006"},
			{"the proxy over loopback", p.pod, proxyUser, loopback, 80, "pod:80"},
			{"a peer to the pod", p.peer, program, pod, 80, "pod:15006"},
			{"a peer to a port where nobody listens", p.peer, program, pod, 4711, "pod:15006"},
			{"a peer to the proxy's outbound port", p.peer, program, pod, 15001, "pod:15006"},
			{"a peer to an excluded port", p.peer, program, pod, 9000, "pod:9000"},
			{"a peer to the readiness port", p.peer, program, pod, 15021, "pod:15021"},
		} {
			t.Run(family+" "+c.name, func(t *testing.T) {
				if got := call(t, c.from, c.uid, c.to, c.port); got != c.want {
					t.Errorf("%s answered, want %s", got, c.want)
				}
			})
		}
	}
}

func TestExcludedCIDRs(t *testing.T) {
	p := newPair(t, standard())
	for i, bits := range []int{24, 64} {
		address := addresses(p.peer)[i]
		for _, c := range []struct {
			cidr netip.Prefix
			want string
		}{
			{netip.PrefixFrom(address, bits), "peer:80"},
			{netip.PrefixFrom(address, address.BitLen()), "peer:80"},
			{netip.PrefixFrom(address, bits-3), "peer:80"},
			{netip.PrefixFrom(address, 0), "peer:80"},
			{netip.PrefixFrom(address.Prev(), address.BitLen()), "pod:15001"},
			{netip.PrefixFrom(addresses(p.peer)[1-i], 0), "pod:15001"}, // the other family
		} {
			config := standard()
			config.Exclude.OutboundCIDRs = []netip.Prefix{c.cidr}
			p.apply(t, config)
			if got := call(t, p.pod, program, address, 80); got != c.want {
				t.Errorf("%s to %s without %s: %s answered, want %s", p.pod.Name, address, c.cidr, got, c.want)
			}
		}
	}
}

// The proxy's own connections to its application are told by their source.
func TestProxyReachesItsApplication(t *testing.T) {
	p := newPair(t, standard())
	for i, source := range []string{"127.0.0.6:0", "[::6]:0"} {
		local, err := net.ResolveTCPAddr("tcp", source)
		if err != nil {
			t.Fatal(err)
		}
		var conn net.Conn
		err = p.pod.Do(func() (err error) {
			conn, err = (&net.Dialer{LocalAddr: local, Timeout: limit}).Dial("tcp", netip.AddrPortFrom(addresses(p.pod)[i], 80).String())
			return err
		})
		if err != nil {
			t.Errorf("from %s: %v", source, err)
			continue
		}
		text, err := io.ReadAll(conn)
		conn.Close()
		if want := "pod:80 " + local.IP.String(); err != nil || string(text) != want {
			t.Errorf("from %s: %q, error %v, want %q", source, text, err, want)
		}
	}
}

// Nobody who does not ask for ::6 connects from it.
func TestLoopSourceIsNobodysChoice(t *testing.T) {
	p := newPair(t, standard())
	for _, to := range []netip.Addr{p.pod.IPv6, p.peer.IPv6, netip.IPv6Loopback()} {
		conn, err := p.pod.DialAs(t.Context(), proxyUser, netip.AddrPortFrom(to, 80).String())
		if err != nil {
			t.Fatal(err)
		}
		if source := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); source.As16() == [16]byte{15: 6} {
			t.Errorf("a connection to %s comes from %s", to, source)
		}
		conn.Close()
	}
}

func TestApplyReplacesAndRemoveRestores(t *testing.T) {
	p := newPair(t, standard())
	other := standard()
	other.Exclude.OutboundPorts = []capture.PortRange{{First: 80, Last: 80}}
	for range 2 {
		p.apply(t, other)
	}
	if got := call(t, p.pod, program, p.peer.IPv4, 80); got != "peer:80" {
		t.Errorf("with the second rules %s answered, want peer:80", got)
	}
	for range 2 {
		p.apply(t, standard())
	}
	if got := call(t, p.pod, program, p.peer.IPv4, 80); got != "pod:15001" {
		t.Errorf("with the first rules again %s answered, want pod:15001", got)
	}
	if !p.check(t, standard()).OK() {
		t.Error("applied twice, the rules are not the wanted ones")
	}
	for range 2 {
		if err := p.pod.Do(capture.Remove); err != nil {
			t.Fatal(err)
		}
		if got := call(t, p.pod, program, p.peer.IPv6, 80); got != "peer:80" {
			t.Errorf("without rules %s answered, want peer:80", got)
		}
		if got := call(t, p.peer, program, p.pod.IPv4, 80); got != "pod:80" {
			t.Errorf("without rules %s answered, want pod:80", got)
		}
	}
	if err := p.pod.Do(func() error {
		_, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("::6")}}).Dial("tcp", "[::1]:80")
		return err
	}); err == nil {
		t.Error("::6 is still there")
	}
}

// A connection that is open when the rules come or go stays what it is.
func TestOpenConnectionsStay(t *testing.T) {
	p := newPair(t, standard())
	listener, err := p.peer.Listen(t.Context(), "tcp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := p.pod.DialAs(t.Context(), proxyUser, netip.AddrPortFrom(p.peer.IPv4, 7).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, change := range []func() error{
		func() error { return capture.Apply(standard()) }, capture.Remove, func() error { return capture.Apply(standard()) },
	} {
		if err := p.pod.Do(change); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "x")
		if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestApplyRefusesMistakes(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*capture.Config)
	}{
		{"proxy user 0", func(c *capture.Config) { c.ProxyUser = 0 }},
		{"excluded user 1337", func(c *capture.Config) { c.Exclude.Users = []uint32{proxyUser} }},
		{"excluded inbound ports: 15000-15010: the proxy takes captured connections on 15001", func(c *capture.Config) {
			c.Exclude.InboundPorts = []capture.PortRange{{First: 15000, Last: 15010}}
		}},
		{"excluded outbound ports: 15006", func(c *capture.Config) {
			c.Exclude.OutboundPorts = []capture.PortRange{{First: 15006, Last: 15006}}
		}},
		{"the smaller one first", func(c *capture.Config) { c.Exclude.InboundPorts = []capture.PortRange{{First: 9, Last: 8}} }},
		{"excluded CIDR ::ffff:10.0.0.0/104", func(c *capture.Config) {
			c.Exclude.OutboundCIDRs = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}
		}},
		{"excluded users: 257 of them", func(c *capture.Config) { c.Exclude.Users = make([]uint32, 257) }},
	} {
		config := standard()
		c.change(&config)
		if err := capture.Apply(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
		if _, err := capture.Check(t.Context(), config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("check: error %v, want one with %q", err, c.want)
		}
	}
}

func TestManyExclusions(t *testing.T) {
	config := standard()
	for i := range 256 {
		config.Exclude.OutboundPorts = append(config.Exclude.OutboundPorts, capture.PortRange{First: uint16(20000 + 2*i), Last: uint16(20000 + 2*i)})
		config.Exclude.InboundPorts = append(config.Exclude.InboundPorts, capture.PortRange{First: uint16(20000 + 2*i), Last: uint16(20000 + 2*i)})
		config.Exclude.Users = append(config.Exclude.Users, uint32(20000+i))
		config.Exclude.OutboundCIDRs = append(config.Exclude.OutboundCIDRs, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 32))
	}
	p := newPair(t, config)
	report := p.check(t, config)
	if !report.OK() {
		t.Errorf("%+v", report)
	}
}

// vandals are what others could do to the rules, and the findings that have to tell it.
func vandals() map[string]struct {
	harm func(*nftables.Conn) error
	want []string
} {
	table := &nftables.Table{Name: "outrigger", Family: nftables.TableFamilyINet}
	chain := func(name string) *nftables.Chain { return &nftables.Chain{Name: name, Table: table} }
	rules := func(c *nftables.Conn, chain *nftables.Chain) []*nftables.Rule {
		all, err := c.GetRules(table, chain)
		if err != nil {
			panic(err)
		}
		return all
	}
	return map[string]struct {
		harm func(*nftables.Conn) error
		want []string
	}{
		"the table is gone": {
			func(c *nftables.Conn) error { c.DelTable(table); return c.Flush() },
			[]string{"rules", "outbound-ipv4", "outbound-ipv6", "own-ports-ipv4", "own-ports-ipv6", "inbound-ipv4", "inbound-ipv6", "self-ipv4", "self-ipv6"},
		},
		"no redirect of what comes in": {
			func(c *nftables.Conn) error {
				all := rules(c, chain("in"))
				return errors.Join(c.DelRule(all[len(all)-1]), c.Flush())
			},
			[]string{"rules", "inbound-ipv4", "inbound-ipv6"},
		},
		"IPv6 leaves first": {
			func(c *nftables.Conn) error {
				c.InsertRule(&nftables.Rule{Table: table, Chain: chain("out"), Exprs: []expr.Any{
					&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{10}},
					&expr.Verdict{Kind: expr.VerdictReturn},
				}})
				return c.Flush()
			},
			[]string{"rules", "outbound-ipv6", "own-ports-ipv6", "self-ipv6"},
		},
		"a rule for what nobody tries": {
			func(c *nftables.Conn) error {
				c.AddRule(&nftables.Rule{Table: table, Chain: chain("in"), Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}})
				return c.Flush()
			},
			[]string{"rules"},
		},
		"another table sends everything elsewhere": {
			func(c *nftables.Conn) error {
				other := c.AddTable(&nftables.Table{Name: "other", Family: nftables.TableFamilyIPv4})
				out := c.AddChain(&nftables.Chain{
					Name: "out", Table: other, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput,
					Priority: nftables.ChainPriorityRef(-150),
				})
				c.AddRule(&nftables.Rule{Table: other, Chain: out, Exprs: []expr.Any{
					&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{6}},
					&expr.Immediate{Register: 1, Data: []byte{0, 80}}, &expr.Redir{RegisterProtoMin: 1},
				}})
				return c.Flush()
			},
			[]string{"outbound-ipv4", "own-ports-ipv4", "proxy-ipv4", "self-ipv4", "application-ipv4"},
		},
	}
}

func TestCheckTellsWhatIsBroken(t *testing.T) {
	for name, v := range vandals() {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, standard())
			if before := p.check(t, standard()); !before.OK() {
				t.Fatalf("before: %+v", before)
			}
			if err := p.pod.Do(func() error { return v.harm(&nftables.Conn{}) }); err != nil {
				t.Fatal(err)
			}
			report := p.check(t, standard())
			if got := failed(report); strings.Join(got, " ") != strings.Join(v.want, " ") && !sameSet(got, v.want) {
				t.Errorf("failed: %v, want %v\n%+v", got, v.want, report)
			}
			if report.OK() {
				t.Error("the report is OK")
			}
		})
	}
}

func failed(r capture.Report) []string {
	var names []string
	for _, f := range r.Findings {
		if f.Result == capture.Failed {
			names = append(names, f.Name)
		}
	}
	return names
}

func sameSet(a, b []string) bool {
	seen := map[string]int{}
	for _, s := range a {
		seen[s]++
	}
	for _, s := range b {
		seen[s]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestCheckTellsAMissingLoopSource(t *testing.T) {
	p := newPair(t, standard())
	if err := p.pod.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr("::6/128")
		return errors.Join(err, netlink.AddrDel(lo, address))
	}); err != nil {
		t.Fatal(err)
	}
	if got := failed(p.check(t, standard())); !sameSet(got, []string{"loop-source", "application-ipv6"}) {
		t.Errorf("failed: %v, want loop-source and application-ipv6", got)
	}
}

// Other rules than the wanted ones are found, also when they do as much.
func TestCheckWantsItsOwnExclusions(t *testing.T) {
	p := newPair(t, standard())
	other := standard()
	other.Exclude.Users = []uint32{excluded}
	report := p.check(t, other)
	if got := failed(report); !sameSet(got, []string{"rules"}) {
		t.Errorf("failed: %v, want the rules: %+v", got, report)
	}
	p.apply(t, other)
	if !p.check(t, other).OK() {
		t.Error("the excluded user is in the rules, and not found")
	}
}

func TestWithoutIPv6(t *testing.T) {
	lab := netlab.New(t)
	pod := lab.Pod(t, "pod")
	if err := pod.Do(func() error {
		return errors.Join(
			os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0o644),
			os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0o644),
			capture.Apply(standard()),
		)
	}); err != nil {
		t.Fatal(err)
	}
	p := &pair{pod: pod}
	report := p.check(t, standard())
	for _, f := range report.Findings {
		six := strings.HasSuffix(f.Name, "ipv6") || f.Name == "loop-source"
		if (f.Result == capture.Absent) != six {
			t.Errorf("%+v", f)
		}
	}
	if !report.OK() {
		t.Errorf("%+v", report)
	}
	if err := pod.Do(capture.Remove); err != nil {
		t.Error(err)
	}
}

// The check leaves the namespace as it was.
func TestCheckLeavesNothing(t *testing.T) {
	p := newPair(t, standard())
	links := func() (names []string) {
		t.Helper()
		if err := p.pod.Do(func() error {
			all, err := net.Interfaces()
			for _, i := range all {
				names = append(names, i.Name)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return names
	}
	before := links()
	for range 3 {
		p.check(t, standard())
	}
	if after := links(); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("the links are %v, and were %v", after, before)
	}
}

func TestTextIsWhatTheRulesAre(t *testing.T) {
	config := standard()
	config.Exclude = capture.Exclusions{
		InboundPorts: []capture.PortRange{{First: 22, Last: 22}}, OutboundPorts: []capture.PortRange{{First: 8000, Last: 8099}},
		OutboundCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::1/128")}, Users: []uint32{excluded},
	}
	const want = `table inet outrigger {
	chain out {
		type nat hook output priority -100; policy accept;
		meta skuid 1337 oifname "lo" ip saddr != 127.0.0.6 ip daddr != 127.0.0.0/8 meta l4proto tcp redirect to :15006
		meta skuid 1337 oifname "lo" ip6 saddr != ::6 ip6 daddr != ::1 meta l4proto tcp redirect to :15006
		meta skuid 1337 return
		meta skuid 2000 return
		oifname "lo" return
		tcp dport 8000-8099 return
		ip daddr 10.0.0.0/8 return
		ip6 daddr fd00::1 return
		tcp dport 15000-15099 meta l4proto tcp redirect to :15006
		meta l4proto tcp redirect to :15001
	}
	chain in {
		type nat hook prerouting priority -100; policy accept;
		tcp dport 15021 return
		tcp dport 15090 return
		tcp dport 22 return
		meta l4proto tcp redirect to :15006
	}
}
`
	var got strings.Builder
	if err := config.Print(&got); err != nil || got.String() != want {
		t.Errorf("error %v, got:\n%s", err, got.String())
	}
}
