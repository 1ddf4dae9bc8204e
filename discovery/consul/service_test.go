package consul

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
)

// resolved decodes rows as the source does, and resolves the service "cart" of them.
func resolved(t *testing.T, rows ...*api.ServiceEntry) resolution {
	t.Helper()
	body, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	n := name{service: "cart"}
	d := &instanceDecoder{namespace: ns, name: n, remote: func(datacenter string) bool { return datacenter == "far" }}
	list, err := d.read(body)
	if err != nil {
		t.Fatal(err)
	}
	return resolve(n, discovery.ShardID{Service: discovery.ServiceID{Namespace: ns, Name: "cart"}}, raw(list))
}

// changed returns an instance with something changed.
func changed(row *api.ServiceEntry, change func(row *api.ServiceEntry)) *api.ServiceEntry {
	change(row)
	return row
}

func withMeta(row *api.ServiceEntry, pairs ...string) *api.ServiceEntry {
	return changed(row, func(row *api.ServiceEntry) {
		for i := 0; i < len(pairs); i += 2 {
			row.Service.Meta[pairs[i]] = pairs[i+1]
		}
	})
}

func reasons(r resolution) string {
	var all []string
	for _, p := range r.problems {
		if !p.Warning || p.Object.Name != "cart" || p.Message == "" || strings.HasSuffix(p.Message, ".") {
			all = append(all, "malformed")
		}
		all = append(all, p.Reason)
	}
	return strings.Join(all, " ")
}

func TestServicePort(t *testing.T) {
	one, two := "10.0.0.1", "10.0.0.2"
	on := func(id, address string, port int) *api.ServiceEntry {
		return entry("cart", id, address, port, api.HealthPassing)
	}
	for name, test := range map[string]struct {
		rows     []*api.ServiceEntry
		port     uint16
		protocol discovery.Protocol
		reasons  string
		serving  int
	}{
		"all agree":          {rows: []*api.ServiceEntry{on("a", one, 8080), on("b", two, 8080)}, port: 8080, serving: 2},
		"they differ":        {rows: []*api.ServiceEntry{on("a", one, 8080), on("b", two, 8081)}, port: 80, reasons: "NoPort", serving: 2},
		"Meta says":          {rows: []*api.ServiceEntry{withMeta(on("a", one, 8080), metaPort, "443"), on("b", two, 8081)}, port: 443, serving: 2},
		"Meta differs":       {rows: []*api.ServiceEntry{withMeta(on("a", one, 1), metaPort, "444"), withMeta(on("b", two, 1), metaPort, "443")}, port: 443, reasons: "Port", serving: 2},
		"Meta is no port":    {rows: []*api.ServiceEntry{withMeta(on("a", one, 8080), metaPort, "http")}, port: 8080, reasons: "Port", serving: 1},
		"Meta is too large":  {rows: []*api.ServiceEntry{withMeta(on("a", one, 8080), metaPort, "65536")}, port: 8080, reasons: "Port", serving: 1},
		"none has one":       {rows: []*api.ServiceEntry{on("a", one, 0)}, port: 80, reasons: "NoPort Instance"},
		"Meta stands for it": {rows: []*api.ServiceEntry{withMeta(on("a", one, 0), metaPort, "8080")}, port: 8080, serving: 1},
		"one has none":       {rows: []*api.ServiceEntry{on("a", one, 0), on("b", two, 8080)}, port: 8080, reasons: "Instance", serving: 1},
		"it is out of range": {rows: []*api.ServiceEntry{on("a", one, 70000), on("b", two, 8080)}, port: 8080, reasons: "Instance", serving: 1},
		"protocol in Meta":   {rows: []*api.ServiceEntry{withMeta(on("a", one, 1), metaProtocol, "grpc")}, port: 1, protocol: discovery.GRPC, serving: 1},
		"protocol in Consul's words": {
			rows: []*api.ServiceEntry{withMeta(on("a", one, 1), "protocol", "http2")}, port: 1, protocol: discovery.HTTP2, serving: 1,
		},
		"protocol in a tag": {
			rows: []*api.ServiceEntry{changed(on("a", one, 1), func(r *api.ServiceEntry) { r.Service.Tags = []string{"x", "protocol=http"} })},
			port: 1, protocol: discovery.HTTP, serving: 1,
		},
		"protocols differ": {
			rows: []*api.ServiceEntry{withMeta(on("a", one, 1), metaProtocol, "http"), withMeta(on("b", two, 1), metaProtocol, "grpc")},
			port: 1, protocol: discovery.GRPC, reasons: "Protocol", serving: 2,
		},
		"protocol unknown":        {rows: []*api.ServiceEntry{withMeta(on("a", one, 1), metaProtocol, "gopher")}, port: 1, reasons: "Protocol", serving: 1},
		"the server speaks first": {rows: []*api.ServiceEntry{on("a", one, 3306)}, port: 3306, protocol: discovery.TCP, serving: 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := resolved(t, test.rows...)
			serving := 0
			for _, port := range r.set.Ports {
				serving += len(port.Endpoints)
			}
			if p := r.service.Ports; len(p) != 1 || p[0].Port != test.port || p[0].Protocol != test.protocol || reasons(r) != test.reasons || serving != test.serving {
				t.Errorf("ports %v, %d serve, problems %v", p, serving, r.problems)
			}
		})
	}
}

func TestServiceAddresses(t *testing.T) {
	nodeOnly := func(address string) *api.ServiceEntry {
		return changed(passing("cart", "a", ""), func(r *api.ServiceEntry) { r.Node.Address = address })
	}
	tagged := func(address string, tags map[string]string) *api.ServiceEntry {
		return changed(passing("cart", "a", address), func(r *api.ServiceEntry) {
			r.Service.TaggedAddresses = make(map[string]api.ServiceAddress)
			for tag, text := range tags {
				r.Service.TaggedAddresses[tag] = api.ServiceAddress{Address: text, Port: 9999}
			}
		})
	}
	far := func(r *api.ServiceEntry) *api.ServiceEntry {
		r.Node.Datacenter = "far"
		return r
	}
	for name, test := range map[string]struct {
		row        *api.ServiceEntry
		endpoint   string
		additional string
		host       string
		fault      bool
	}{
		"of the service":     {row: passing("cart", "a", "10.0.0.1"), endpoint: "10.0.0.1:8080"},
		"of the node":        {row: nodeOnly("10.0.0.2"), endpoint: "10.0.0.2:8080"},
		"IPv6":               {row: passing("cart", "a", "2001:db8::1"), endpoint: "[2001:db8::1]:8080"},
		"IPv4 in IPv6":       {row: passing("cart", "a", "::ffff:10.0.0.1"), endpoint: "10.0.0.1:8080"},
		"a name":             {row: passing("cart", "a", "DB.example.com."), host: "db.example.com"},
		"a name of the node": {row: nodeOnly("db.example.com"), host: "db.example.com"},
		"nonsense":           {row: passing("cart", "a", "not a name"), fault: true},
		"nothing":            {row: nodeOnly(""), fault: true},
		"unspecified":        {row: passing("cart", "a", "0.0.0.0"), fault: true},
		"multicast":          {row: passing("cart", "a", "ff02::1"), fault: true},
		"with a zone":        {row: passing("cart", "a", "fe80::1%eth0"), fault: true},
		"with a port":        {row: passing("cart", "a", "10.0.0.1:80"), fault: true},
		"both families":      {row: tagged("10.0.0.1", map[string]string{taggedIPv6: "2001:db8::1"}), endpoint: "10.0.0.1:8080", additional: "[2001:db8::1]:8080"},
		"IPv6 first":         {row: tagged("2001:db8::1", map[string]string{taggedIPv4: "10.0.0.1"}), endpoint: "[2001:db8::1]:8080", additional: "10.0.0.1:8080"},
		"the same family":    {row: tagged("10.0.0.1", map[string]string{taggedIPv4: "10.0.0.2"}), endpoint: "10.0.0.1:8080"},
		"bad other family":   {row: tagged("10.0.0.1", map[string]string{taggedIPv6: "::"}), endpoint: "10.0.0.1:8080"},
		"wan is not for us":  {row: tagged("10.0.0.1", map[string]string{taggedWAN: "203.0.113.1"}), endpoint: "10.0.0.1:8080"},
		"wan from afar":      {row: far(tagged("10.0.0.1", map[string]string{taggedWAN: "203.0.113.1"})), endpoint: "203.0.113.1:9999"},
		"from afar without":  {row: far(passing("cart", "a", "10.0.0.1")), endpoint: "10.0.0.1:8080"},
		"wan of the node": {
			row:      far(changed(nodeOnly("10.0.0.1"), func(r *api.ServiceEntry) { r.Node.TaggedAddresses = map[string]string{taggedWAN: "203.0.113.9"} })),
			endpoint: "203.0.113.9:8080",
		},
		"both families of the node": {
			row:      changed(nodeOnly("10.0.0.1"), func(r *api.ServiceEntry) { r.Node.TaggedAddresses = map[string]string{taggedIPv6: "2001:db8::1"} }),
			endpoint: "10.0.0.1:8080", additional: "[2001:db8::1]:8080",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := resolved(t, test.row)
			if got := strings.Contains(reasons(r), problemInstance); got != test.fault {
				t.Fatalf("problems %v", r.problems)
			}
			if test.fault {
				if len(r.set.Ports) > 0 {
					t.Errorf("it is reached at %v", r.set.Ports)
				}
				return
			}
			port := r.set.Ports[0]
			if test.host != "" {
				if len(port.Endpoints) > 0 || len(port.Hosts) != 1 || port.Hosts[0].Name != test.host || port.Hosts[0].Port != 8080 {
					t.Errorf("it is reached at %+v", port)
				}
				return
			}
			e := port.Endpoints[0]
			if e.Address.String() != test.endpoint || len(port.Hosts) > 0 {
				t.Errorf("it is reached at %+v", port)
			}
			if (test.additional == "") != (len(e.Additional) == 0) || (test.additional != "" && e.Additional[0].String() != test.additional) {
				t.Errorf("and further at %v", e.Additional)
			}
		})
	}
}

func TestHealthAndWeight(t *testing.T) {
	checks := func(pairs ...string) *api.ServiceEntry {
		return changed(passing("cart", "a", "10.0.0.1"), func(r *api.ServiceEntry) {
			r.Checks = nil
			for i := 0; i < len(pairs); i += 2 {
				r.Checks = append(r.Checks, &api.HealthCheck{CheckID: pairs[i], Status: pairs[i+1]})
			}
			r.Service.Weights = api.AgentWeights{Passing: 10, Warning: 3}
		})
	}
	weights := func(row *api.ServiceEntry, passing, warning int) *api.ServiceEntry {
		row.Service.Weights = api.AgentWeights{Passing: passing, Warning: warning}
		return row
	}
	for name, test := range map[string]struct {
		row    *api.ServiceEntry
		health discovery.Health
		weight uint32
	}{
		"no checks":               {checks(), discovery.Healthy, 10},
		"passing":                 {checks("a", "passing", "serfHealth", "passing"), discovery.Healthy, 10},
		"warning":                 {checks("a", "warning", "b", "passing"), discovery.Degraded, 3},
		"critical":                {checks("a", "critical", "b", "warning"), discovery.Unhealthy, 10},
		"the node is critical":    {checks("a", "passing", "serfHealth", "critical"), discovery.Unhealthy, 10},
		"node in maintenance":     {checks("a", "passing", api.NodeMaint, "critical"), discovery.Draining, 10},
		"instance in maintenance": {checks("b", "critical", api.ServiceMaintPrefix+"a", "critical"), discovery.Draining, 10},
		"an unknown state":        {checks("a", "splendid"), discovery.Unhealthy, 10},
		"weight 0":                {weights(checks("a", "passing"), 0, 3), discovery.Unhealthy, 1},
		"warning weight 0":        {weights(checks("a", "warning"), 10, 0), discovery.Unhealthy, 10},
		"warning weight 0, well":  {weights(checks("a", "passing"), 10, 0), discovery.Healthy, 10},
		"below 0":                 {weights(checks("a", "passing"), -7, 0), discovery.Unhealthy, 1},
		"far too much":            {weights(checks("a", "passing"), 1<<40, 1), discovery.Healthy, maxWeight},
	} {
		t.Run(name, func(t *testing.T) {
			e := resolved(t, test.row).set.Ports[0].Endpoints[0]
			if e.Health != test.health || e.Weight != test.weight {
				t.Errorf("it is %s with weight %d", e.Health, e.Weight)
			}
		})
	}
}

// An address that two instances claim is one endpoint: that of the healthier instance.
func TestSameAddressTwice(t *testing.T) {
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		r := resolved(t, entry("cart", order[0], "10.0.0.1", 8080, api.HealthCritical), entry("cart", order[1], "10.0.0.1", 8080, api.HealthPassing))
		port := r.set.Ports[0]
		if len(port.Endpoints) != 1 || port.Endpoints[0].Health != discovery.Healthy || port.Endpoints[0].Workload.Name != "node-"+order[1]+"."+order[1] {
			t.Errorf("it is %+v", port.Endpoints)
		}
	}
}

func TestWorkload(t *testing.T) {
	row := withMeta(passing("cart", "cart-1", "10.0.0.1"), metaProxy, "sidecar", metaAccount, "shopper", "version", "v1", "bad key!", "x",
		"notes", "two words", "external-source", "kubernetes")
	row.Service.Tags = []string{"primary", "track=canary", "version=v2", "not a label"}
	row.Node.Meta = map[string]string{"outrigger-region": "eu", "zone": "eu-1", "subzone": "rack-7"}
	body, err := json.Marshal([]*api.ServiceEntry{row})
	if err != nil {
		t.Fatal(err)
	}
	d := &instanceDecoder{namespace: ns, name: name{service: "cart"}, remote: func(string) bool { return false }}
	list, err := d.read(body)
	if err != nil {
		t.Fatal(err)
	}
	want := &discovery.Workload{
		ID: discovery.WorkloadID{Namespace: ns, Name: "node-cart-1.cart-1"}, Origin: discovery.Origin{Kind: kindInstance},
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, ServiceAccount: "shopper", Sidecar: true, Node: "node-cart-1",
		Locality: discovery.Locality{Region: "eu", Zone: "eu-1", SubZone: "rack-7"},
		Labels: map[string]string{
			labelService: "cart", "version": "v1", "external-source": "kubernetes", "primary": "true", "track": "canary",
		},
	}
	if !list[0].workload.Equal(want) {
		t.Errorf("it is %+v\nnot %+v", list[0].workload, want)
	}
	row.Service.Locality = &api.Locality{Region: "us", Zone: "us-1"}
	row.Service.Meta[metaAccount] = "../admin"
	if body, err = json.Marshal([]*api.ServiceEntry{row}); err != nil {
		t.Fatal(err)
	}
	if list, err = d.read(body); err != nil {
		t.Fatal(err)
	}
	if w := list[0].workload; w.InMesh() || w.ServiceAccount != "default" || w.Locality.Region != "us" || list[0].fault == "" {
		t.Errorf("with a bad account it is %+v, fault %q", w, list[0].fault)
	}
}

// Equal labels and texts are kept once.
func TestInstancesShareWhatIsEqual(t *testing.T) {
	var rows []*api.ServiceEntry
	for _, id := range []string{"a", "b"} {
		rows = append(rows, withMeta(passing("cart", id, "10.0.0.1"), "version", "v1"))
	}
	body, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	d := &instanceDecoder{namespace: ns, name: name{service: "cart"}, remote: func(string) bool { return false }}
	first, err := d.read(body)
	if err != nil {
		t.Fatal(err)
	}
	first[0].workload.Labels["shared"] = "yes"
	if first[1].workload.Labels["shared"] != "yes" {
		t.Error("each instance has labels of its own")
	}
	delete(first[0].workload.Labels, "shared")
	d.accept(first, false)
	second, err := d.read(body)
	if err != nil || !slices.Equal(first, second) {
		t.Errorf("what did not change was made anew: %v", err)
	}
}
