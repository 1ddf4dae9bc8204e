package feed_test

import (
	"net/netip"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/feed"
)

var (
	fileSource = discovery.SourceID{Kind: "file", Name: "local"}
	kubeSource = discovery.SourceID{Kind: "kubernetes", Name: "one"}
)

func serviceID(name string) discovery.ServiceID {
	return discovery.ServiceID{Namespace: "shop", Name: name}
}

func serviceInput(name string) feed.Input {
	id := serviceID(name)
	s := &discovery.Service{
		ID: id, Origin: discovery.Origin{Kind: "Service"},
		Ports: []discovery.ServicePort{{Port: 80, Protocol: discovery.HTTP}},
	}
	return feed.Input{Update: discovery.Update{Source: fileSource, Services: map[discovery.ServiceID]*discovery.Service{id: s}}}
}

func shardInput(service string, addresses ...string) feed.Input {
	id := discovery.ShardID{Service: serviceID(service), Source: fileSource}
	set := &discovery.EndpointSet{ID: id, Ports: []discovery.PortEndpoints{{Port: 80}}}
	for _, a := range addresses {
		set.Ports[0].Endpoints = append(set.Ports[0].Endpoints, discovery.Endpoint{Address: netip.MustParseAddrPort(a), Weight: 1})
	}
	return feed.Input{Update: discovery.Update{Source: fileSource, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{id: set}}}
}

func workloadInput(name string) feed.Input {
	id := discovery.WorkloadID{Namespace: "shop", Name: name}
	w := &discovery.Workload{ID: id, Origin: discovery.Origin{Kind: "Workload"}, Sidecar: true}
	return feed.Input{Update: discovery.Update{Source: fileSource, Workloads: map[discovery.WorkloadID]*discovery.Workload{id: w}}}
}

// at marks an input as read now.
func at(in feed.Input) feed.Input {
	in.ReadAt = time.Now()
	return in
}
