package hold

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
)

// registry is what a source would read, and what it has told of it.
type registry struct {
	trouble error
	State
	told State
}

func emptyState() State {
	return State{
		Services: map[discovery.ServiceID]*discovery.Service{}, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{},
		Workloads: map[discovery.WorkloadID]*discovery.Workload{}, Nodes: map[string]*discovery.Node{},
		Namespaces: map[string]*discovery.Namespace{},
	}
}

// tell returns what differs from what was told.
func (r *registry) tell(synced bool) discovery.Update {
	u := discovery.Update{
		Source: testSource, Synced: synced, Trouble: r.trouble,
		Services:   difference(r.told.Services, r.Services, (*discovery.Service).Equal),
		Endpoints:  difference(r.told.Endpoints, r.Endpoints, (*discovery.EndpointSet).Equal),
		Workloads:  difference(r.told.Workloads, r.Workloads, (*discovery.Workload).Equal),
		Nodes:      difference(r.told.Nodes, r.Nodes, (*discovery.Node).Equal),
		Namespaces: difference(r.told.Namespaces, r.Namespaces, (*discovery.Namespace).Equal),
	}
	r.told = r.clone()
	return u
}

func difference[K comparable, V any](from, to map[K]*V, equal func(a, b *V) bool) map[K]*V {
	changed := map[K]*V{}
	for key := range from {
		if to[key] == nil {
			changed[key] = nil
		}
	}
	for key, value := range to {
		if from[key] == nil || !equal(from[key], value) {
			changed[key] = value
		}
	}
	return changed
}

var propertyServices = []string{"a", "b", "c"}

// change changes one thing in the registry. Workloads 1 to 6 run on three machines in two zones.
func (r *registry) change(t *rapid.T) {
	name := rapid.SampledFrom(propertyServices).Draw(t, "service")
	number := rapid.IntRange(1, 6).Draw(t, "number")
	switch rapid.IntRange(0, 11).Draw(t, "change") {
	case 0:
		id := serviceOf(name)
		r.Services[id] = &discovery.Service{ID: id, Ports: []discovery.ServicePort{{Port: 80}, {Port: 443}}}
	case 1:
		delete(r.Services, serviceOf(name))
	case 2:
		delete(r.Endpoints, shardOf(name))
	case 3, 4, 5:
		r.Endpoints[shardOf(name)] = drawSet(t, name)
	case 6:
		id := workloadOf(fmt.Sprint(number))
		r.Workloads[id] = &discovery.Workload{
			ID: id, Node: fmt.Sprintf("n%d", number%3), Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(number)})},
			ServiceAccount: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "account"),
		}
	case 7:
		delete(r.Workloads, workloadOf(fmt.Sprint(number)))
	case 8:
		node := fmt.Sprintf("n%d", number%3)
		r.Nodes[node] = &discovery.Node{
			Name: node, Ready: rapid.Bool().Draw(t, "ready"), Locality: discovery.Locality{Zone: fmt.Sprintf("z%d", number%2)},
		}
	case 9:
		delete(r.Nodes, fmt.Sprintf("n%d", number%3))
	case 10:
		r.Namespaces[name] = &discovery.Namespace{Name: name, Terminating: rapid.Bool().Draw(t, "terminating")}
	case 11:
		delete(r.Namespaces, name)
	}
}

// drawSet makes endpoints of up to six workloads, and hosts, on two ports.
func drawSet(t *rapid.T, name string) *discovery.EndpointSet {
	set := &discovery.EndpointSet{ID: shardOf(name)}
	for _, number := range []uint16{80, 443} {
		port := discovery.PortEndpoints{Port: number}
		for i := 1; i <= 6; i++ {
			if rapid.IntRange(0, 2).Draw(t, "absent") == 0 {
				continue
			}
			port.Endpoints = append(port.Endpoints, discovery.Endpoint{
				Address:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 8080),
				Workload: workloadOf(fmt.Sprint(i)), Weight: 1,
				Health: rapid.SampledFrom([]discovery.Health{0, 0, 0, discovery.Degraded, discovery.Unhealthy, discovery.Draining}).Draw(t, "health"),
			})
		}
		if rapid.IntRange(0, 3).Draw(t, "host") == 0 {
			port.Hosts = []discovery.Host{{Name: "db.example", Port: 5432, Weight: 1}}
		}
		if rapid.IntRange(0, 5).Draw(t, "no port") > 0 {
			set.Ports = append(set.Ports, port)
		}
	}
	return set
}

// follower adds up what a Keeper sends, and checks it.
type follower struct {
	keeper   *Keeper
	registry *registry
	seen     State
	// nodes says that machines took part: endpoints may then go in trouble.
	nodes bool
	// stateful says that there was a whole state, synced that the source itself told one.
	stateful, synced bool
	// asked are the lists that the Keeper waits for.
	asked map[Subject]bool
}

func (f *follower) take(t *rapid.T, u discovery.Update, calm bool) {
	before := State{Endpoints: maps.Clone(f.seen.Endpoints), Workloads: maps.Clone(f.seen.Workloads), Services: maps.Clone(f.seen.Services), Namespaces: maps.Clone(f.seen.Namespaces)}
	add(t, f.seen.Services, u.Services, (*discovery.Service).Equal, calm)
	add(t, f.seen.Endpoints, u.Endpoints, (*discovery.EndpointSet).Equal, calm)
	add(t, f.seen.Workloads, u.Workloads, (*discovery.Workload).Equal, calm)
	add(t, f.seen.Nodes, u.Nodes, (*discovery.Node).Equal, calm)
	add(t, f.seen.Namespaces, u.Namespaces, (*discovery.Namespace).Equal, calm)
	f.checkNothingLost(t)
	f.checkCounts(t)
	if u.Trouble != nil && !f.nodes {
		f.checkTrouble(t, before)
	}
}

// add merges upserts; those that change nothing are errors, save those that a healthy source sent itself.
func add[K comparable, V any](t *rapid.T, into, from map[K]*V, equal func(a, b *V) bool, calm bool) {
	for key, value := range from {
		before, known := into[key]
		if !calm && value == nil && !known {
			t.Fatalf("%v is gone and was never there", key)
		}
		if !calm && known && value != nil && equal(before, value) {
			t.Fatalf("%v is sent again and did not change", key)
		}
		if value == nil {
			delete(into, key)
			continue
		}
		into[key] = value
	}
}

// checkTrouble demands that in trouble nothing goes: no object, and no endpoint of a port that the service still has.
func (f *follower) checkTrouble(t *rapid.T, before State) {
	for id, set := range before.Endpoints {
		for _, l := range losses(set, f.seen.Endpoints[id], func(uint16) bool { return true }) {
			if !l.ejected {
				t.Fatalf("%s lost %v in trouble", id, l.slot)
			}
		}
	}
	for id := range before.Workloads {
		if f.seen.Workloads[id] == nil {
			t.Fatalf("workload %s went in trouble", id)
		}
	}
	for id := range before.Services {
		if f.seen.Services[id] == nil {
			t.Fatalf("service %s went in trouble", id)
		}
	}
	for name := range before.Namespaces {
		if f.seen.Namespaces[name] == nil {
			t.Fatalf("namespace %s went in trouble", name)
		}
	}
}

// checkNothingLost demands that all that the source told is there, endpoints also where their health is held.
func (f *follower) checkNothingLost(t *rapid.T) {
	told := f.registry.told
	for id, value := range told.Services {
		if !f.seen.Services[id].Equal(value) {
			t.Fatalf("service %s is %v and should be %v", id, f.seen.Services[id], value)
		}
	}
	for id, value := range told.Workloads {
		if !f.seen.Workloads[id].Equal(value) {
			t.Fatalf("workload %s is %v and should be %v", id, f.seen.Workloads[id], value)
		}
	}
	for name, value := range told.Namespaces {
		if !f.seen.Namespaces[name].Equal(value) {
			t.Fatalf("namespace %s is %v and should be %v", name, f.seen.Namespaces[name], value)
		}
	}
	for id, set := range told.Endpoints {
		if f.seen.Endpoints[id] == nil {
			t.Fatalf("%s is not there", id)
		}
		for _, l := range losses(set, f.seen.Endpoints[id], func(uint16) bool { return true }) {
			t.Fatalf("%s: %v is missing", id, l)
		}
	}
}

// checkCounts compares what the Keeper counts with what there is.
func (f *follower) checkCounts(t *rapid.T) {
	k := f.keeper
	endpoints, held, refs, contradicted := 0, 0, map[discovery.WorkloadID]int{}, 0
	addresses := map[netip.AddrPort]int{}
	for _, set := range k.shards {
		endpoints += size(set)
	}
	for id, sh := range k.held {
		held += len(sh.held)
		if sh.contradicted {
			contradicted++
		}
		for s, h := range sh.held {
			addresses[s.address]++
			if h.workload != (discovery.WorkloadID{}) {
				refs[h.workload]++
			}
			if _, there := health(k.shards[id], s); !there {
				t.Fatalf("%s: %v is held and not there", id, s)
			}
		}
	}
	if endpoints != k.endpoints || held != k.heldEndpoints || !maps.Equal(refs, k.refs) || !maps.Equal(addresses, k.addresses) || contradicted != k.contradicted {
		t.Fatalf("counted %d %d %v %d, and there are %d %d %v %d",
			k.endpoints, k.heldEndpoints, k.refs, k.contradicted, endpoints, held, refs, contradicted)
	}
	if !sameState(f.seen, k.State()) {
		t.Fatalf("the keeper thinks that it sent %v, and sent %v", k.State(), f.seen)
	}
}

func sameState(a, b State) bool {
	return maps.EqualFunc(a.Services, b.Services, (*discovery.Service).Equal) && maps.EqualFunc(a.Endpoints, b.Endpoints, (*discovery.EndpointSet).Equal) &&
		maps.EqualFunc(a.Workloads, b.Workloads, (*discovery.Workload).Equal) && maps.EqualFunc(a.Nodes, b.Nodes, (*discovery.Node).Equal) &&
		maps.EqualFunc(a.Namespaces, b.Namespaces, (*discovery.Namespace).Equal)
}

// TestKeeperProperties plays random histories: changes, trouble, passing time, second reads of every kind. It checks
// after each step that nothing was lost, that trouble takes nothing away, that a healthy source is passed on as it is, that
// nothing is doubted before the first whole state and that a true list ends all doubt; and in the end, when all is quiet,
// that what was sent is what the registry has.
func TestKeeperProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &registry{State: emptyState(), told: emptyState()}
		lists := rapid.Bool().Draw(t, "lists")
		keeper := NewKeeper(testSource, Reads{Endpoints: rapid.Bool().Draw(t, "confirms"), Services: lists, Workloads: lists})
		f := &follower{keeper: keeper, registry: r, seen: emptyState(), nodes: rapid.Bool().Draw(t, "nodes"), asked: map[Subject]bool{}}
		now := testStart
		if rapid.Bool().Draw(t, "restored") {
			for range 8 {
				f.change(t)
			}
			f.take(t, keeper.Restore(now, now.Add(-time.Hour), r.clone()), false)
			r.State = emptyState()
			f.stateful = true
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0:
				u, ask := keeper.Due(now)
				f.note(ask)
				f.take(t, u, false)
			case 1:
				f.read(t, now, rapid.IntRange(0, 2).Draw(t, "outcome"))
			case 2:
				f.list(t, now, rapid.IntRange(0, 2).Draw(t, "outcome"))
			case 3:
				r.trouble = nil
				if rapid.Bool().Draw(t, "trouble") {
					r.trouble = errors.New("no connection")
				}
			default:
				for range rapid.IntRange(0, 4).Draw(t, "changes") {
					f.change(t)
				}
				f.tell(t, now, !f.synced && rapid.Bool().Draw(t, "synced"))
			}
		}
		r.trouble = nil
		f.tell(t, now, !f.synced)
		f.settle(t, now)
		if !sameState(f.seen, r.State) || keeper.holding() {
			t.Fatalf("in the end there is %v and should be %v; held: %+v", f.seen, r.State, keeper.Status())
		}
	})
}

func (f *follower) change(t *rapid.T) {
	f.registry.change(t)
	if !f.nodes {
		clear(f.registry.Nodes)
	}
}

func (r *registry) clone() State {
	return State{
		Services: maps.Clone(r.Services), Endpoints: maps.Clone(r.Endpoints), Workloads: maps.Clone(r.Workloads), Nodes: maps.Clone(r.Nodes),
		Namespaces: maps.Clone(r.Namespaces),
	}
}

// tell gives the Keeper what changed; what a healthy source says comes out as it went in.
func (f *follower) tell(t *rapid.T, now time.Time, synced bool) {
	calm := f.registry.trouble == nil && f.keeper.phase(now) == quiet && !f.keeper.holding()
	u := f.registry.tell(synced)
	out, ask := f.keeper.Apply(now, u)
	f.note(ask)
	if !f.stateful && f.keeper.phase(now) == wary {
		t.Fatal("the keeper is wary before there was anything to lose")
	}
	f.synced, f.stateful = f.synced || synced, f.stateful || synced
	if calm && (!maps.Equal(out.Endpoints, u.Endpoints) || !maps.Equal(out.Services, u.Services) ||
		!maps.Equal(out.Workloads, u.Workloads) || !maps.Equal(out.Nodes, u.Nodes) || !maps.Equal(out.Namespaces, u.Namespaces)) {
		t.Fatalf("a healthy source said %v, and %v came out", u, out)
	}
	f.take(t, out, calm)
}

// read gives a second read: what the registry has, what it had not, or none.
func (f *follower) read(t *rapid.T, now time.Time, outcome int) {
	name := rapid.SampledFrom(propertyServices).Draw(t, "read")
	set := f.registry.told.Endpoints[shardOf(name)]
	var err error
	switch outcome {
	case 1:
		set = f.seen.Endpoints[shardOf(name)]
	case 2:
		err = errors.New("no answer")
	}
	f.take(t, f.keeper.Confirmed(now, serviceOf(name), set, err), false)
}

// note takes down which lists the Keeper waits for.
func (f *follower) note(ask []Question) {
	for _, q := range ask {
		if q.Of != OfEndpoints {
			f.asked[q.Of] = true
		}
	}
}

// list gives a second list that was asked for: of what the registry has, of what it had, or none. After a true one nothing is in
// doubt that was so when it was asked for, save what endpoints need.
func (f *follower) list(t *rapid.T, now time.Time, outcome int) {
	from, err := f.registry.told, error(nil)
	switch outcome {
	case 1:
		from = f.keeper.State()
	case 2:
		err = errors.New("no answer")
	}
	judged := outcome == 0 && f.keeper.phase(now) != doubt
	if f.asked[OfServices] {
		f.take(t, f.keeper.ConfirmedServices(now, slices.Collect(maps.Keys(from.Services)), err), false)
		for _, id := range f.keeper.services.askedFor() {
			if judged && !f.keeper.serviceTied(id) {
				t.Fatalf("service %s is held against a list", id)
			}
		}
	}
	if f.asked[OfWorkloads] {
		f.take(t, f.keeper.ConfirmedWorkloads(now, slices.Collect(maps.Keys(from.Workloads)), err), false)
		for _, id := range f.keeper.workloads.askedFor() {
			if judged && !f.keeper.workloadTied(id) {
				t.Fatalf("workload %s is held against a list", id)
			}
		}
	}
	clear(f.asked)
}

// settle lets time pass as the goroutine would, with second reads that fail.
func (f *follower) settle(t *rapid.T, now time.Time) {
	end := now.Add(Patience)
	for {
		at, some := f.keeper.Deadline(now)
		if !some {
			return
		}
		if at.After(end) {
			t.Fatalf("something is due only at %s, and all should be over at %s: %+v", at, end, f.keeper.Status())
		}
		now = slices.MaxFunc([]time.Time{now, at}, time.Time.Compare)
		u, ask := f.keeper.Due(now)
		f.take(t, u, false)
		f.note(ask)
		for _, q := range ask {
			if q.Of == OfEndpoints {
				f.take(t, f.keeper.Confirmed(now, q.Service, nil, errors.New("no answer")), false)
			}
		}
		f.list(t, now, 2)
	}
}
