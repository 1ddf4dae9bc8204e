package model

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/xds/feed"
)

const (
	services  = 5
	instances = 3 // of each at most
	namespace = "shop"
)

// town is what the registry holds, and what it has told.
type town struct {
	chance *rand.Rand
	// endpoints are the instances of each service that there are; nil: no such service.
	endpoints [services]map[int]bool
	trouble   error
	// empty are the services that the registry said to have no endpoint, or not to exist, while it could be believed.
	empty  [services]bool
	change discovery.Update
}

func newTown(chance *rand.Rand) *town {
	w := &town{chance: chance}
	w.change = discovery.Update{Synced: true, Workloads: map[discovery.WorkloadID]*discovery.Workload{}}
	for i := range proxies {
		w.addWorkload(fmt.Sprint("web-", i), "web", netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}))
	}
	for s := range services {
		w.empty[s] = true
		for i := range instances {
			w.addWorkload(fmt.Sprintf("s%d-%d", s, i), fmt.Sprint("account-", i), addressOf(s, i))
		}
		w.set(s, map[int]bool{0: true})
	}
	return w
}

func addressOf(s, i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 2, byte(s), byte(i)}) }

func (w *town) addWorkload(name, account string, address netip.Addr) {
	id := discovery.WorkloadID{Namespace: namespace, Name: name}
	w.change.Workloads[id] = &discovery.Workload{
		ID: id, Addresses: []netip.Addr{address}, ServiceAccount: account, Sidecar: true, Labels: map[string]string{"app": account},
	}
}

func serviceOf(s int) discovery.ServiceID {
	return discovery.ServiceID{Namespace: namespace, Name: fmt.Sprint("s", s)}
}

// clusterOf is what proxies call the service.
func clusterOf(s int) string { return "outbound|80||" + serviceOf(s).Host() }

// set gives a service these endpoints; nil takes it away.
func (w *town) set(s int, endpoints map[int]bool) {
	if w.change.Services == nil {
		w.change.Services = map[discovery.ServiceID]*discovery.Service{}
		w.change.Endpoints = map[discovery.ShardID]*discovery.EndpointSet{}
	}
	w.endpoints[s] = endpoints
	id := serviceOf(s)
	shard := discovery.ShardID{Service: id, Source: registry}
	if endpoints == nil {
		w.change.Services[id], w.change.Endpoints[shard] = nil, nil
		return
	}
	w.change.Services[id] = &discovery.Service{
		ID: id, VIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 96, 0, byte(s)})}, Ports: []discovery.ServicePort{{Port: 80, Protocol: discovery.HTTP}},
	}
	port := discovery.PortEndpoints{Port: 80}
	for i := range instances {
		if endpoints[i] {
			port.Endpoints = append(port.Endpoints, discovery.Endpoint{
				Address:  netip.AddrPortFrom(addressOf(s, i), 8080),
				Workload: discovery.WorkloadID{Namespace: namespace, Name: fmt.Sprintf("s%d-%d", s, i)}, Weight: 1,
			})
		}
	}
	w.change.Endpoints[shard] = &discovery.EndpointSet{ID: shard, Ports: []discovery.PortEndpoints{port}}
}

// alter changes some services by chance. A registry in trouble loses more than it finds.
func (w *town) alter() {
	loses := 6
	if w.trouble != nil {
		loses = 2
	}
	for range 1 + w.chance.IntN(3) {
		s := w.chance.IntN(services)
		switch {
		case w.chance.IntN(2*loses) == 0:
			w.set(s, nil)
		case w.chance.IntN(loses) == 0:
			w.set(s, map[int]bool{})
		default:
			some := map[int]bool{w.chance.IntN(instances): true, w.chance.IntN(instances): true}
			w.set(s, some)
		}
	}
}

// tell returns what changed since the last time.
func (w *town) tell() discovery.Update {
	u := w.change
	u.Source, u.Trouble = registry, w.trouble
	w.change = discovery.Update{}
	if w.trouble == nil {
		w.remember()
	}
	return u
}

// remember notes which services may be empty.
func (w *town) remember() {
	for s := range services {
		w.empty[s] = len(w.endpoints[s]) == 0 || w.empty[s]
	}
}

// settled says that everybody has what was told.
func (w *town) settled() {
	for s := range services {
		if len(w.endpoints[s]) > 0 {
			w.empty[s] = false
		}
	}
}

// fall begins trouble, or ends it.
func (w *town) fall() {
	if w.trouble == nil {
		w.trouble = errors.New("no connection")
	} else {
		w.trouble = nil
	}
}

// scope says that the proxies see some services only; nil: all.
func scope(some []int) feed.Input {
	rule := &policy.ProxyRule{
		Object:   discovery.ObjectID{Kind: "ProxyConfig", Namespace: namespace, Name: "web"},
		Selector: policy.Selector{Namespace: namespace, Labels: []policy.Label{{Key: "app", Value: "web"}}},
	}
	if some != nil {
		rule.Scope.Declared = true
		slices.Sort(some)
		for _, s := range slices.Compact(some) {
			rule.Scope.Services = append(rule.Scope.Services, serviceOf(s))
		}
	}
	return feed.Input{Rules: policy.Update{Proxies: map[discovery.ObjectID]*policy.ProxyRule{rule.Object: rule}}}
}
