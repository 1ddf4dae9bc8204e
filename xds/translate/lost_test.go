package translate_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/load"
)

// way is one in which endpoints die, while the proxy is told to use them still.
type way struct {
	die func(*member, *testing.T)
	// members are so many that a few retries would not reach a live one.
	members int
	// tries of a dead endpoint at most, until it is ejected, with all that are under way meanwhile.
	tries int
}

var ways = map[string]way{
	"refusing": {(*member).refuse, 30, 7},
	"silent":   {(*member).fallSilent, 12, 16},
}

// TestEndpointsAreLost: a third of the endpoints of a service dies, then half of them are dead, and they stay in the assignment.
// No request fails, and soon none is tried on the dead.
func TestEndpointsAreLost(t *testing.T) {
	p := newPair(t)
	crowds := map[string]*crowd{}
	for way := range ways {
		for _, protocol := range []discovery.Protocol{discovery.HTTP, discovery.HTTP2} {
			name := fmt.Sprint(way, "-", protocol)
			crowds[name] = p.addCrowd(name, way, protocol)
		}
	}
	p.start()
	for name, c := range crowds {
		t.Run(name, c.isDecimated)
	}
}

// TestOpaqueConnectionsGoElsewhere: half of the endpoints of a service are gone, and no connection ends for that.
func TestOpaqueConnectionsGoElsewhere(t *testing.T) {
	p := newPair(t)
	var endpoints []ir.Endpoint
	for range 10 {
		endpoints = append(endpoints, ir.Endpoint{Address: tcpApp(t), Weight: 1}, ir.Endpoint{Address: p.free(), Weight: 1})
	}
	p.service("opaque", discovery.TCP, ir.Peers{Plain: true}, ir.EndpointGroup{Endpoints: endpoints})
	p.start()
	for range 100 {
		conn := dial(t, p.reach["opaque"])
		if got, err := say(conn, ""); err != nil || got != "hello" {
			t.Fatal(got, err)
		}
		_ = conn.Close()
	}
}

// crowd is a service with many members.
type crowd struct {
	pair    *pair
	name    string
	way     way
	members []*member
}

// addCrowd adds a service whose members die in a way.
func (p *pair) addCrowd(name, how string, protocol discovery.Protocol) *crowd {
	p.t.Helper()
	c := &crowd{pair: p, name: name, way: ways[how]}
	var endpoints []ir.Endpoint
	for range c.way.members {
		m := newMember(p.t)
		c.members = append(c.members, m)
		endpoints = append(endpoints, ir.Endpoint{Address: m.at, Weight: 1})
	}
	p.service(name, protocol, ir.Peers{Plain: true}, ir.EndpointGroup{Endpoints: endpoints})
	return c
}

// isDecimated lets members die under load.
func (c *crowd) isDecimated(t *testing.T) {
	t.Helper()
	l := load.Start(t.Context(), load.Config{URL: "http://" + c.pair.reach[c.name].String(), Workers: 8, Timeout: time.Minute})
	third, half := c.way.members/3, c.way.members/2
	for i, m := range c.members[:half] {
		c.way.die(m, t)
		if i == third-1 {
			c.ejects(t, third)
		}
	}
	c.ejects(t, half)
	report := l.Stop()
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if tried := c.stat(t, "upstream_cx_connect_fail"); tried > c.way.tries*half {
		t.Errorf("%d dead endpoints were tried %d times, want %d times each at most", half, tried, c.way.tries)
	}
	t.Log(report)
}

// ejects waits until so many endpoints have been ejected.
func (c *crowd) ejects(t *testing.T, want int) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer late.Stop()
	for {
		got := c.stat(t, "outlier_detection.ejections_enforced_total")
		if got >= want {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("%d endpoints were ejected, want %d", got, want)
		}
	}
}

// stat is one of the caller's sidecar for the service.
func (c *crowd) stat(t *testing.T, name string) int {
	t.Helper()
	full := "cluster.outbound|80||" + c.name + "|shop." + name
	stats, err := c.pair.web.Stats(t.Context(), "^"+regexp.QuoteMeta(full)+"$")
	if err != nil {
		t.Fatal(err)
	}
	return int(stats[full])
}

// member is an endpoint that can die. It has a new connection for every request, so that no request is under way on one that
// ends: only what was not sent can be saved.
type member struct {
	at       netip.AddrPort
	listener net.Listener
}

func newMember(t *testing.T) *member {
	t.Helper()
	m := &member{listener: listen(t)}
	m.at = addressOf(m.listener)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
	})}
	serve(t, func() error { return server.Serve(m.listener) }, func() { _ = server.Close() })
	return m
}

// refuse ends the program: nobody listens any more. Who was let in by the kernel is served first: such a connection would be reset
// with its request, which may have been sent.
func (m *member) refuse(t *testing.T) {
	t.Helper()
	raw := m.letNobodyIn(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for backlog := uint32(1); backlog > 0; <-tick.C {
		m.control(t, raw, func(fd int) error {
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			if err == nil {
				backlog = info.Unacked // Of a listener, who waits to be accepted.
			}
			return err
		})
	}
	if err := m.listener.Close(); err != nil {
		t.Error(err)
	}
}

// fallSilent is the end of the machine: nobody answers.
func (m *member) fallSilent(t *testing.T) {
	t.Helper()
	m.letNobodyIn(t)
	if conn, err := (&net.Dialer{Timeout: 100 * time.Millisecond}).DialContext(t.Context(), "tcp", m.at.String()); err == nil {
		t.Error("it answers still", conn.Close())
	}
}

// letNobodyIn has a filter drop what comes for the listener, before the kernel would take a connection that nobody serves.
func (m *member) letNobodyIn(t *testing.T) syscall.RawConn {
	t.Helper()
	raw, err := m.listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	m.control(t, raw, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	})
	return raw
}

func (*member) control(t *testing.T, raw syscall.RawConn, do func(fd int) error) {
	t.Helper()
	var err error
	if control := raw.Control(func(fd uintptr) { err = do(int(fd)) }); control != nil || err != nil {
		t.Fatal(errors.Join(control, err))
	}
}
