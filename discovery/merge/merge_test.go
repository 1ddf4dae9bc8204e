package merge_test

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/merge"
)

var (
	kube   = discovery.SourceID{Kind: "kubernetes", Name: "main"}
	file   = discovery.SourceID{Kind: "file", Name: "mesh"}
	consul = discovery.SourceID{Kind: "consul", Name: "dc1"}
	cart   = discovery.ServiceID{Namespace: "shop", Name: "cart"}
	basket = discovery.ServiceID{Namespace: "consul", Name: "basket"}
)

// said is an update of a source with one service and its endpoints.
func said(source discovery.SourceID, s *discovery.Service, ports ...discovery.PortEndpoints) discovery.Update {
	id := discovery.ShardID{Service: s.ID, Source: source}
	return discovery.Update{
		Source: source, Services: map[discovery.ServiceID]*discovery.Service{s.ID: s},
		Endpoints: map[discovery.ShardID]*discovery.EndpointSet{id: {ID: id, Ports: ports}},
	}
}

func serviceOf(id discovery.ServiceID, join *discovery.Join, ports ...uint16) *discovery.Service {
	s := &discovery.Service{ID: id, Origin: discovery.Origin{Kind: "Service"}, Join: join}
	for _, p := range ports {
		s.Ports = append(s.Ports, discovery.ServicePort{Port: p})
	}
	return s
}

func at(port uint16, endpoints ...discovery.Endpoint) discovery.PortEndpoints {
	return discovery.PortEndpoints{Port: port, Endpoints: endpoints}
}

func endpoint(address string) discovery.Endpoint {
	return discovery.Endpoint{Address: netip.MustParseAddrPort(address), Weight: 1}
}

func joinOf(share int) *discovery.Join {
	j := &discovery.Join{Kind: "consul", Name: "basket"}
	if share >= 0 {
		percent := uint8(share)
		j.Share = &percent
	}
	return j
}

// play applies updates to a new Merge.
func play(t *testing.T, updates ...discovery.Update) *world {
	t.Helper()
	m, w := merge.New(), newWorld()
	for _, u := range updates {
		if err := w.apply(m.Apply(u)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// port returns what a source has at a port of a service.
func (w *world) port(id discovery.ServiceID, source discovery.SourceID, number uint16) discovery.PortEndpoints {
	if set := w.shards[discovery.ShardID{Service: id, Source: source}]; set != nil {
		for _, p := range set.Ports {
			if p.Port == number {
				return p
			}
		}
	}
	return discovery.PortEndpoints{}
}

func addresses(p discovery.PortEndpoints) string {
	var list []string
	for _, e := range p.Endpoints {
		list = append(list, e.Address.String())
	}
	return strings.Join(list, " ")
}

func TestJoinAddsTheOtherRegistrysEndpoints(t *testing.T) {
	t.Parallel()
	w := play(t,
		said(kube, serviceOf(cart, joinOf(-1), 80), at(80, endpoint("10.0.0.1:8080"))),
		said(consul, serviceOf(basket, nil, 9000), at(9000, endpoint("10.9.0.1:9000"))))
	if got := addresses(w.port(cart, kube, 80)) + " " + addresses(w.port(cart, consul, 80)); got != "10.0.0.1:8080 10.9.0.1:9000" {
		t.Errorf("the joined service has %s", got)
	}
	if got := addresses(w.port(basket, consul, 9000)); got != "10.9.0.1:9000" {
		t.Errorf("under its own name the other has %q", got)
	}
	if len(w.problems) > 0 {
		t.Error(w.problems)
	}
}

// TestPortsOfAJoin: equal numbers, else first to first; one port that is asked for gets all.
func TestPortsOfAJoin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		asked        uint16
		ours, theirs []uint16
		want         map[uint16]uint16
	}{
		{"equal", 0, []uint16{80, 90}, []uint16{80, 90}, map[uint16]uint16{80: 80, 90: 90}},
		{"one in common", 0, []uint16{80, 90}, []uint16{90, 99}, map[uint16]uint16{90: 90}},
		{"none in common", 0, []uint16{80, 90}, []uint16{8080, 9090}, map[uint16]uint16{80: 8080}},
		{"asked", 90, []uint16{80, 90}, []uint16{8080}, map[uint16]uint16{90: 8080}},
		{"asked and equal", 90, []uint16{80, 90}, []uint16{80, 90}, map[uint16]uint16{90: 90}},
		{"asked and missing", 91, []uint16{80, 90}, []uint16{80, 90}, nil},
		{"none", 0, nil, []uint16{80}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			join := joinOf(-1)
			join.Port = test.asked
			var theirs []discovery.PortEndpoints
			for _, p := range test.theirs {
				theirs = append(theirs, at(p, discovery.Endpoint{Address: netip.AddrPortFrom(netip.MustParseAddr("10.9.0.1"), p), Weight: 1}))
			}
			w := play(t, said(kube, serviceOf(cart, join, test.ours...)), said(consul, serviceOf(basket, nil, test.theirs...), theirs...))
			got := map[uint16]uint16{}
			if set := w.shards[discovery.ShardID{Service: cart, Source: consul}]; set != nil {
				for _, p := range set.Ports {
					got[p.Port] = p.Endpoints[0].Address.Port()
				}
			}
			if dump(got) != dump(test.want) && len(got)+len(test.want) > 0 {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if missing := test.name == "asked and missing"; missing != (len(w.problems) > 0) {
				t.Errorf("problems %v", w.problems)
			}
		})
	}
}

// TestConsul13SamePodTwice: a pod that Consul knows too counts once, with its identity and the worse health.
func TestConsul13SamePodTwice(t *testing.T) {
	t.Parallel()
	pod := discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}
	own, other := endpoint("10.0.0.1:8080"), endpoint("10.0.0.1:8080")
	own.Workload, other.Workload = pod, discovery.WorkloadID{Namespace: "consul", Name: "node-1-cart"}
	other.Health = discovery.Unhealthy
	otherPort := endpoint("10.0.0.1:8081")
	pods := discovery.Update{Source: kube, Workloads: map[discovery.WorkloadID]*discovery.Workload{
		pod: {ID: pod, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Sidecar: true},
	}}
	theirs := said(consul, serviceOf(basket, nil, 80), at(80, other, otherPort))
	w := play(t, theirs, said(kube, serviceOf(cart, joinOf(-1), 80), at(80, own)), pods)
	joined := w.port(cart, kube, 80).Endpoints
	if len(joined) != 1 || joined[0].Workload != pod || joined[0].Health != discovery.Unhealthy {
		t.Errorf("the pod is %+v", joined)
	}
	if twice := w.port(cart, consul, 80).Endpoints; len(twice) > 0 {
		t.Errorf("the pod counts again: %+v", twice)
	}
	for _, e := range w.port(basket, consul, 80).Endpoints {
		if e.Workload != pod {
			t.Errorf("under the other name %s is workload %s", e.Address, e.Workload)
		}
	}
}

// TestPodThatConsulKnowsUnderAnotherName: it is the pod there too, and drains with it, from the moment when the pod is known and
// another instance serves.
func TestPodThatConsulKnowsUnderAnotherName(t *testing.T) {
	t.Parallel()
	id := discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}
	pod := func(source discovery.SourceID, health discovery.Health) discovery.Update {
		return discovery.Update{Source: source, Workloads: map[discovery.WorkloadID]*discovery.Workload{
			id: {ID: id, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Health: health},
		}}
	}
	m, w := merge.New(), newWorld()
	for i, step := range []struct {
		said discovery.Update
		want discovery.Endpoint
	}{
		{said(consul, serviceOf(basket, nil, 80), at(80, endpoint("10.0.0.1:80"))), discovery.Endpoint{}},
		{pod(consul, discovery.Healthy), discovery.Endpoint{}},
		{pod(kube, discovery.Healthy), discovery.Endpoint{Workload: id}},
		{pod(kube, discovery.Unhealthy), discovery.Endpoint{Workload: id, Health: discovery.Unhealthy}},
		{pod(kube, discovery.Draining), discovery.Endpoint{Workload: id}},
		{
			said(consul, serviceOf(basket, nil, 80), at(80, endpoint("10.0.0.1:80"), endpoint("10.0.0.2:80"))),
			discovery.Endpoint{Workload: id, Health: discovery.Draining},
		},
	} {
		if err := w.apply(m.Apply(step.said)); err != nil {
			t.Fatal(err)
		}
		if e := w.port(basket, consul, 80).Endpoints[0]; e.Workload != step.want.Workload || e.Health != step.want.Health {
			t.Errorf("step %d: %+v", i, e)
		}
	}
}

// TestPodsOfBothThatAllEnd: while all of a service end they are used, as Kubernetes says of its own, though Consul knows them too.
func TestPodsOfBothThatAllEnd(t *testing.T) {
	t.Parallel()
	ending := func(health discovery.Health, addresses ...string) discovery.Update {
		u := discovery.Update{Source: kube, Workloads: map[discovery.WorkloadID]*discovery.Workload{}}
		for _, address := range addresses {
			id := discovery.WorkloadID{Namespace: "shop", Name: address}
			u.Workloads[id] = &discovery.Workload{ID: id, Addresses: []netip.Addr{netip.MustParseAddr(address)}, Health: health}
		}
		return u
	}
	bad := func(e discovery.Endpoint, health discovery.Health) discovery.Endpoint {
		e.Health = health
		return e
	}
	first, second, third := endpoint("10.0.0.1:80"), endpoint("10.0.0.2:80"), endpoint("10.0.0.3:80")
	theirs := func(endpoints ...discovery.Endpoint) discovery.Update {
		return said(consul, serviceOf(basket, nil, 80), at(80, endpoints...))
	}
	ours := said(kube, serviceOf(cart, joinOf(-1), 80), at(80, first, second))
	for name, test := range map[string]struct {
		said []discovery.Update
		want string
	}{
		"all end":                 {[]discovery.Update{ours, theirs(first, second), ending(discovery.Draining, "10.0.0.1", "10.0.0.2")}, "healthy healthy"},
		"one of Consul's serves":  {[]discovery.Update{ours, theirs(first, second, third), ending(discovery.Draining, "10.0.0.1", "10.0.0.2")}, "draining draining healthy"},
		"one of them serves":      {[]discovery.Update{ours, theirs(first, second), ending(discovery.Draining, "10.0.0.1")}, "draining healthy"},
		"Consul has a check fail": {[]discovery.Update{ours, theirs(bad(first, discovery.Unhealthy), second), ending(discovery.Draining, "10.0.0.1", "10.0.0.2")}, "unhealthy healthy"},
		"none is ready":           {[]discovery.Update{ours, theirs(first, second), ending(discovery.Unhealthy, "10.0.0.1", "10.0.0.2")}, "unhealthy unhealthy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := play(t, test.said...)
			var got []string
			for _, source := range []discovery.SourceID{kube, consul} {
				for _, e := range w.port(cart, source, 80).Endpoints {
					got = append(got, e.Health.String())
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("they are %v, not %s", got, test.want)
			}
		})
	}
}

// TestOneInstanceOfTwoConsuls: the first by name has it, whichever came first.
func TestOneInstanceOfTwoConsuls(t *testing.T) {
	t.Parallel()
	other := discovery.SourceID{Kind: "consul", Name: "dc2"}
	theirs := discovery.ServiceID{Namespace: "aaa", Name: "basket"}
	w := play(t, said(kube, serviceOf(cart, joinOf(-1), 80)),
		said(other, serviceOf(theirs, nil, 80), at(80, endpoint("10.9.0.1:80"))),
		said(consul, serviceOf(basket, nil, 80), at(80, endpoint("10.9.0.1:80"))))
	if first, second := addresses(w.port(cart, consul, 80)), addresses(w.port(cart, other, 80)); first != "10.9.0.1:80" || second != "" {
		t.Errorf("dc1 has %q, dc2 has %q", first, second)
	}
}

// TestAddressOfSeveralPods: which of them a Consul instance is cannot be told, so that it is none.
func TestAddressOfSeveralPods(t *testing.T) {
	t.Parallel()
	pods := discovery.Update{Source: kube, Workloads: map[discovery.WorkloadID]*discovery.Workload{}}
	for _, name := range []string{"one", "two"} {
		id := discovery.WorkloadID{Namespace: "shop", Name: name}
		pods.Workloads[id] = &discovery.Workload{ID: id, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
	}
	w := play(t, pods, said(consul, serviceOf(basket, nil, 80), at(80, endpoint("10.0.0.1:80"))))
	if e := w.port(basket, consul, 80).Endpoints[0]; e.Workload != (discovery.WorkloadID{}) {
		t.Errorf("the instance is taken for %s", e.Workload)
	}
}

// TestAddressOfAMachine: a pod of the host network is not taken for what else runs on its machine, which would else drain with it.
func TestAddressOfAMachine(t *testing.T) {
	t.Parallel()
	id := discovery.WorkloadID{Namespace: "shop", Name: "exporter"}
	pods := discovery.Update{Source: kube, Workloads: map[discovery.WorkloadID]*discovery.Workload{
		id: {ID: id, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, HostNetwork: true, Health: discovery.Draining},
	}}
	w := play(t, said(consul, serviceOf(basket, nil, 80), at(80, endpoint("10.0.0.1:80"))), pods)
	if e := w.port(basket, consul, 80).Endpoints[0]; e.Workload != (discovery.WorkloadID{}) || e.Health != discovery.Healthy {
		t.Errorf("the instance is taken for %s, and is %s", e.Workload, e.Health)
	}
}

func TestWorkloadOfTwoSources(t *testing.T) {
	t.Parallel()
	id := discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}
	of := func(source discovery.SourceID, account string, health discovery.Health) discovery.Update {
		return discovery.Update{Source: source, Workloads: map[discovery.WorkloadID]*discovery.Workload{
			id: {ID: id, ServiceAccount: account, Health: health},
		}}
	}
	updates := []discovery.Update{of(consul, "", discovery.Draining), of(file, "file", discovery.Healthy), of(kube, "kube", discovery.Healthy)}
	for range 2 {
		w := play(t, updates...)
		if got := w.workloads[id]; got == nil || got.ServiceAccount != "kube" || got.Health != discovery.Draining {
			t.Errorf("the workload is %+v", w.workloads[id])
		}
		slices.Reverse(updates)
	}
}

func TestSameNameWithoutARule(t *testing.T) {
	t.Parallel()
	updates := []discovery.Update{
		said(consul, serviceOf(cart, nil, 80), at(80, endpoint("10.9.0.1:80"))),
		said(file, serviceOf(cart, nil, 80), at(80, endpoint("10.8.0.1:80"))),
		said(kube, serviceOf(cart, nil, 80), at(80, endpoint("10.0.0.1:80"))),
	}
	for range 2 {
		w := play(t, updates...)
		if len(w.shards) != 1 || addresses(w.port(cart, kube, 80)) != "10.0.0.1:80" {
			t.Errorf("the endpoints are %s", dump(w.shards))
		}
		problems := w.problems[discovery.ObjectID{Kind: "Service", Namespace: "shop", Name: "cart"}]
		if len(problems) != 2 {
			t.Fatalf("problems are %v", problems)
		}
		for _, p := range problems {
			if p.Warning || !strings.Contains(p.Message, "kubernetes/main") || !strings.Contains(p.Message, "consul-service") {
				t.Errorf("the problem is %v", p)
			}
		}
		slices.Reverse(updates)
	}
}

// TestSameNameThatIsJoined: a rule makes one service of both, and nothing is wrong with that.
func TestSameNameThatIsJoined(t *testing.T) {
	t.Parallel()
	join := &discovery.Join{Kind: "consul", Source: "dc1", Name: "cart"}
	w := play(t,
		said(kube, serviceOf(cart, join, 80), at(80, endpoint("10.0.0.1:80"))),
		said(consul, serviceOf(cart, nil, 80), at(80, endpoint("10.9.0.1:80"))))
	if got := addresses(w.port(cart, kube, 80)) + " " + addresses(w.port(cart, consul, 80)); got != "10.0.0.1:80 10.9.0.1:80" {
		t.Errorf("the joined service has %s", got)
	}
	if len(w.problems) > 0 {
		t.Error(w.problems)
	}
}

func TestWhatAServiceSaysGoesBeforeARule(t *testing.T) {
	t.Parallel()
	m, w := merge.New(), newWorld()
	mesh := discovery.ObjectID{Kind: "MeshConfig", Name: "default"}
	rules := []discovery.JoinRule{
		{Object: mesh, Field: "spec.joins[0]", Service: cart, Join: discovery.Join{Kind: "consul", Name: "other"}},
		{Object: mesh, Field: "spec.joins[1]", Service: discovery.ServiceID{Namespace: "shop", Name: "missing"}, Join: *joinOf(-1)},
	}
	for _, c := range []merge.Changes{
		m.Rules(rules), m.Apply(said(consul, serviceOf(basket, nil, 80), at(80, endpoint("10.9.0.1:80")))),
		m.Apply(said(kube, serviceOf(cart, joinOf(-1), 80))),
	} {
		if err := w.apply(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := addresses(w.port(cart, consul, 80)); got != "10.9.0.1:80" {
		t.Errorf("joined %q", got)
	}
	var reasons []string
	for _, p := range w.problems[mesh] {
		reasons = append(reasons, p.Field+" "+p.Reason)
	}
	if got := strings.Join(reasons, ", "); got != "spec.joins[0] Overruled, spec.joins[1].service NotFound" {
		t.Errorf("problems are %s", got)
	}
}

// TestWhatGoesWithAnUpdate: what a source says of itself follows the values, which are nobody's: another source's value takes the
// place of one that goes, at once.
func TestWhatGoesWithAnUpdate(t *testing.T) {
	t.Parallel()
	m, trouble, read := merge.New(), errors.New("gone"), time.Unix(1, 0)
	m.Apply(said(kube, serviceOf(cart, nil, 80), at(80, endpoint("10.0.0.1:80"))))
	other := serviceOf(cart, nil, 90)
	m.Apply(said(consul, other, at(90, endpoint("10.9.0.1:90"))))
	gone := discovery.Update{
		Source: kube, Synced: true, ReadAt: read, Trouble: trouble, Services: map[discovery.ServiceID]*discovery.Service{cart: nil},
		Problems: map[discovery.ObjectID][]discovery.Problem{{Kind: "Service"}: nil},
	}
	updates := m.Apply(gone).Updates
	if len(updates) != 2 {
		t.Fatalf("%d updates", len(updates))
	}
	values, state := updates[0], updates[1]
	if values.Source != (discovery.SourceID{}) || values.Services[cart] != other || len(values.Endpoints) != 2 || values.ReadAt != read {
		t.Errorf("the values are %+v", values)
	}
	if state.Source != kube || !state.Synced || !errors.Is(state.Trouble, trouble) || len(state.Problems) != 1 || len(state.Services) > 0 {
		t.Errorf("the source says %+v", state)
	}
}

// TestUpdateWithoutValuesPasses: a source that has nothing is synced all the same.
func TestUpdateWithoutValuesPasses(t *testing.T) {
	t.Parallel()
	updates := merge.New().Apply(discovery.Update{Source: kube, Synced: true}).Updates
	if len(updates) != 1 || !updates[0].Synced || updates[0].Source != kube {
		t.Errorf("%+v", updates)
	}
}

// TestWorkIsInProportion: what nobody joins passes as it is, and nothing else is looked at.
func TestWorkIsInProportion(t *testing.T) {
	t.Parallel()
	m := merge.New()
	u := said(kube, serviceOf(cart, nil, 80), at(80, endpoint("10.0.0.1:80")))
	m.Apply(u)
	id := discovery.ShardID{Service: cart, Source: kube}
	next := said(kube, serviceOf(cart, nil, 80), at(80, endpoint("10.0.0.2:80")))
	next.Services = nil
	updates := m.Apply(next).Updates
	if len(updates) != 2 || updates[0].Endpoints[id] != next.Endpoints[id] || len(updates[0].Services) > 0 {
		t.Errorf("%+v", updates)
	}
}

// TestOwnRegistryIsNotJoined: a Join leads to other registries.
func TestOwnRegistryIsNotJoined(t *testing.T) {
	t.Parallel()
	first, second := serviceOf(cart, &discovery.Join{Kind: "consul", Name: "basket"}, 80), serviceOf(basket, nil, 80)
	w := play(t, said(consul, first, at(80, endpoint("10.0.0.1:80"))), said(consul, second, at(80, endpoint("10.0.0.2:80"))))
	if got := addresses(w.port(cart, consul, 80)); got != "10.0.0.1:80" || len(w.problems) != 1 {
		t.Errorf("joined %s, problems %v", got, w.problems)
	}
}

// What a source says of machines and namespaces passes as it is, behind the values.
func TestPlacesPass(t *testing.T) {
	u := said(kube, serviceOf(cart, nil, 80))
	u.Nodes = map[string]*discovery.Node{"n1": {Name: "n1", Ready: true}}
	u.Namespaces = map[string]*discovery.Namespace{"shop": {Name: "shop"}, "bank": nil}
	updates := merge.New().Apply(u).Updates
	if len(updates) != 2 || len(updates[0].Namespaces)+len(updates[0].Nodes) != 0 {
		t.Fatalf("%v follow", updates)
	}
	if last := updates[1]; last.Source != kube || !maps.Equal(last.Namespaces, u.Namespaces) || !maps.Equal(last.Nodes, u.Nodes) {
		t.Errorf("%+v passes", last)
	}
}
