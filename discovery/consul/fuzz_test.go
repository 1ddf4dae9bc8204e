package consul

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
)

// FuzzInstances reads answers to a query for a service: whatever is in them, what is built of them keeps the promises of the model.
func FuzzInstances(f *testing.F) {
	good, err := json.Marshal([]*api.ServiceEntry{passing("cart", "a", "10.0.0.1"), passing("cart", "b", "db.example.com")})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(good), "[]", "null", "{}", "[null]", `[{"Node":{"Node":"n"},"Service":{"ID":"i","Service":"cart","Port":-1}}]`, `[{"Node":{},"Service":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n := name{service: "cart"}
		d := &instanceDecoder{namespace: ns, name: n, remote: func(string) bool { return len(body)%2 == 0 }}
		list, err := d.read(body)
		if err != nil || len(list) == 0 {
			return
		}
		r := resolve(n, discovery.ShardID{Service: discovery.ServiceID{Namespace: ns, Name: "cart"}}, raw(list))
		if len(r.service.Ports) != 1 || r.service.Ports[0].Port == 0 {
			t.Fatalf("ports %v", r.service.Ports)
		}
		for _, i := range list {
			if w := i.workload; w != nil && (!isDNS(w.ID.Name) || len(w.ID.Name) > maxWorkload || len(w.Addresses) == 0 || !isLabel(w.ServiceAccount)) {
				t.Fatalf("workload %+v", w)
			}
		}
		for _, port := range r.set.Ports {
			checkPort(t, port)
		}
	})
}

func checkPort(t *testing.T, port discovery.PortEndpoints) {
	t.Helper()
	var before netip.AddrPort
	for _, e := range port.Endpoints {
		if e.Address.Compare(before) <= 0 || e.Weight == 0 || e.Address.Port() == 0 || !usable(e.Address.Addr()) {
			t.Fatalf("endpoint %+v after %s", e, before)
		}
		before = e.Address
	}
	for _, h := range port.Hosts {
		if !isHost(h.Name) || h.Weight == 0 || h.Port == 0 || h.Name != strings.ToLower(h.Name) {
			t.Fatalf("host %+v", h)
		}
	}
}

// FuzzCatalog reads lists of names and of checks.
func FuzzCatalog(f *testing.F) {
	for _, seed := range []string{`{"cart":[],"stock":["a"]}`, "{}", "null", `{"":null}`, `[{"Node":"n","CheckID":"c","Status":"passing"}]`, "[{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := &catalogDecoder{}
		if p, err := d.decode(body); err == nil {
			d.accept(p, false)
			if shrinks, same := d.compare(p); shrinks || !same {
				t.Error("a catalog differs from itself")
			}
			names, _ := p.(catalog)
			if labels, _ := assign(names); len(labels) != len(names) {
				t.Errorf("%d names have %d labels", len(names), len(labels))
			}
		}
		c := &checkDecoder{}
		if p, err := c.decode(body); err == nil {
			c.accept(p, false)
			if _, same := c.compare(p); !same {
				t.Error("checks differ from themselves")
			}
		}
	})
}

// FuzzHeaders reads the headers of answers, and moves a cursor by them.
func FuzzHeaders(f *testing.F) {
	f.Add("7", "0", "true", "blocking-query", "20")
	f.Add("0", "99999999999999", "false", "streaming", "-1")
	f.Fuzz(func(t *testing.T, index, lag, leader, backend, after string) {
		h := http.Header{headerIndex: {index}, headerLastContact: {lag}, headerKnownLeader: {leader}, headerBackend: {backend}, "Retry-After": {after}}
		resp := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: h}
		if e, ok := readStatus(resp, []byte(leader)).(*troubleError); !ok || e.reason != reasonThrottled { //nolint:errorlint // Made a line before.
			t.Fatalf("a server that is busy is %v", e)
		}
		a, err := readHeaders(resp)
		if err != nil {
			return
		}
		c := cursor{index: 5, last: 5}
		if verdict, err := c.take(a, time.Second); (verdict == believed) != (err == nil) || (verdict == doubted) != (c.index == 0) {
			t.Errorf("verdict %d, %v, %+v", verdict, err, c)
		}
	})
}
