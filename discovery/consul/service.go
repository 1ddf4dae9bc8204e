package consul

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"outrigger.dev/outrigger/discovery"
)

// defaultPort is what clients use where nothing says another.
const defaultPort = 80

// The reasons of problems.
const (
	problemNoPort    = "NoPort"
	problemPort      = "Port"
	problemProtocol  = "Protocol"
	problemInstance  = "Instance"
	problemNameClash = "NameClash"
)

// maxNamed is how many instances a message names.
const maxNamed = 3

// resolution is what the mesh sees of one service.
type resolution struct {
	service  *discovery.Service
	set      *discovery.EndpointSet
	problems []discovery.Problem
}

// view is an instance and the health that it is shown with.
type view struct {
	*instance
	shown discovery.Health
}

// resolver builds services of instances. Views are sorted by key and not empty.
type resolver struct {
	name   name
	shard  discovery.ShardID
	views  []view
	result resolution
}

// resolve builds a service and its endpoints.
func resolve(n name, shard discovery.ShardID, views []view) resolution {
	r := &resolver{name: n, shard: shard, views: views}
	port := r.port()
	r.result.service = &discovery.Service{
		ID:     shard.Service,
		Origin: discovery.Origin{Kind: kindService},
		VIPs:   r.vips(),
		Ports:  []discovery.ServicePort{{Port: port, Protocol: r.protocol(port)}},
	}
	if n.String() != shard.Service.Name {
		r.result.service.Registered = n.String()
	}
	r.result.set = &discovery.EndpointSet{ID: shard}
	if endpoints, hosts := r.endpoints(port); len(endpoints)+len(hosts) > 0 {
		r.result.set.Ports = []discovery.PortEndpoints{{Port: port, Endpoints: endpoints, Hosts: hosts}}
	}
	return r.result
}

func (r *resolver) problem(reason, field, format string, args ...any) {
	r.result.problems = append(r.result.problems, discovery.Problem{
		Object: objectOf(r.shard.Service.Namespace, r.name), Field: field, Reason: reason,
		Message: fmt.Sprintf(format, args...), Warning: true,
	})
}

// objectOf is how problems name a service.
func objectOf(namespace string, n name) discovery.ObjectID {
	return discovery.ObjectID{Kind: kindService, Namespace: namespace, Name: n.String()}
}

// port is what Meta says, else the port that all instances have, else 80. Where instances say different things,
// the lowest counts.
func (r *resolver) port() uint16 {
	said, have := make(map[uint16]bool), make(map[uint16]bool)
	for _, v := range r.views {
		if v.port != 0 {
			have[v.port] = true
		}
		if v.wantPort == "" {
			continue
		}
		number, err := strconv.ParseUint(v.wantPort, 10, 16)
		if err != nil || number == 0 {
			r.problem(problemPort, "Meta."+metaPort, "instance %s says %q, which is no port", v.key, v.wantPort)
			continue
		}
		said[uint16(number)] = true
	}
	if ports := slices.Sorted(maps.Keys(said)); len(ports) > 0 {
		if len(ports) > 1 {
			r.problem(problemPort, "Meta."+metaPort, "instances say different ports, %d counts: give all of them the same", ports[0])
		}
		return ports[0]
	}
	ports := slices.Sorted(maps.Keys(have))
	switch len(ports) {
	case 1:
		return ports[0]
	case 0:
		r.problem(problemNoPort, "Port", "no instance has a port: register one")
	default:
		r.problem(problemNoPort, "Meta."+metaPort, "instances have different ports and none says which one clients use, so that it is %d: "+
			"set Meta %s", defaultPort, metaPort)
	}
	return defaultPort
}

// protocol is what all instances that say one say; the first in order of the alphabet where they differ.
func (r *resolver) protocol(port uint16) discovery.Protocol {
	said := make(map[string]bool)
	numbers := []uint16{port}
	for _, v := range r.views {
		if v.protocol != "" {
			said[v.protocol] = true
		}
		if v.port != 0 && !slices.Contains(numbers, v.port) && len(numbers) < maxNamed {
			numbers = append(numbers, v.port)
		}
	}
	texts := slices.Sorted(maps.Keys(said))
	if len(texts) > 1 {
		r.problem(problemProtocol, "Meta."+metaProtocol, "instances say different protocols, %q counts: give all of them the same", texts[0])
	}
	var text string
	if len(texts) > 0 {
		text = texts[0]
	}
	protocol, known := discovery.ProtocolOf(text, "", numbers...)
	if !known {
		r.problem(problemProtocol, "Meta."+metaProtocol, "%q is no protocol that is known here: write http, http2, grpc, tls or tcp", text)
	}
	return protocol
}

// vips are the virtual addresses of all instances.
func (r *resolver) vips() []netip.Addr {
	var found []netip.Addr
	for _, v := range r.views {
		found = append(found, v.vips...)
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found)
}

// endpoints returns what serves the port. An address that two instances claim is that of the better one: what a crashed
// program left registered stands beside what came after it.
func (r *resolver) endpoints(port uint16) ([]discovery.Endpoint, []discovery.Host) {
	endpoints := make([]discovery.Endpoint, 0, len(r.views))
	var hosts []discovery.Host
	var faults []string
	for _, v := range r.views {
		target := cmp.Or(v.port, r.target(v, port))
		switch {
		case v.fault != "":
			faults = append(faults, fmt.Sprintf("instance %s: %s", v.key, v.fault))
		case target == 0:
			faults = append(faults, fmt.Sprintf("instance %s: it has no port", v.key))
		}
		switch {
		case target == 0:
		case v.address.IsValid():
			endpoints = append(endpoints, v.endpoint(target))
		case v.host != "":
			hosts = append(hosts, discovery.Host{Name: v.host, Port: target, Weight: max(v.weight(v.shown), 1), Health: v.shown})
		}
	}
	r.faults(faults)
	slices.SortStableFunc(endpoints, func(a, b discovery.Endpoint) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Health, b.Health))
	})
	endpoints = slices.CompactFunc(endpoints, func(a, b discovery.Endpoint) bool { return a.Address == b.Address })
	slices.SortStableFunc(hosts, func(a, b discovery.Host) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Health, b.Health))
	})
	hosts = slices.CompactFunc(hosts, func(a, b discovery.Host) bool { return a.Name == b.Name && a.Port == b.Port })
	return slices.Clip(endpoints), hosts
}

// target is where an instance without a port is reached: at the port that it says clients use.
func (r *resolver) target(v view, port uint16) uint16 {
	if v.wantPort == strconv.Itoa(int(port)) {
		return port
	}
	return 0
}

// faults names some of the instances with something wrong, and counts all.
func (r *resolver) faults(faults []string) {
	for i, fault := range faults {
		if i == maxNamed {
			r.problem(problemInstance, "", "%d more instances have something wrong", len(faults)-maxNamed)
			return
		}
		r.problem(problemInstance, "", "%s", fault)
	}
}

// endpoint is how an instance with an address is reached.
func (v *view) endpoint(target uint16) discovery.Endpoint {
	e := discovery.Endpoint{
		Address:  netip.AddrPortFrom(v.address, target),
		Locality: v.locality,
		Weight:   max(v.weight(v.shown), 1),
		Health:   v.shown,
	}
	if v.workload != nil {
		e.Workload = v.workload.ID
	}
	if v.additional.IsValid() {
		e.Additional = []netip.AddrPort{netip.AddrPortFrom(v.additional, target)}
	}
	return e
}

// String returns "<node>/<id>".
func (k instanceKey) String() string { return k.node + "/" + k.id }
