package hold

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// The records are what the last-good file holds. They are apart from the model, so that the format changes only on purpose.

// savedSource is what one source gives.
type savedSource struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// GoodUntil is when the source was last in good order.
	GoodUntil  time.Time        `json:"goodUntil"`
	Services   []savedService   `json:"services,omitempty"`
	Endpoints  []savedShard     `json:"endpoints,omitempty"`
	Workloads  []savedWorkload  `json:"workloads,omitempty"`
	Nodes      []savedNode      `json:"nodes,omitempty"`
	Namespaces []savedNamespace `json:"namespaces,omitempty"`
}

func (s *savedSource) id() discovery.SourceID { return discovery.SourceID{Kind: s.Kind, Name: s.Name} }

type savedService struct {
	Namespace    string       `json:"namespace"`
	Name         string       `json:"name"`
	Origin       *savedOrigin `json:"origin,omitempty"`
	Registered   string       `json:"registered,omitempty"`
	VIPs         []netip.Addr `json:"vips,omitempty"`
	Ports        []savedPort  `json:"ports,omitempty"`
	Distribution string       `json:"distribution,omitempty"`
	Join         *savedJoin   `json:"join,omitempty"`
}

type savedOrigin struct {
	Kind     string `json:"kind,omitempty"`
	Location string `json:"location,omitempty"`
}

type savedPort struct {
	Port     uint16 `json:"port"`
	Name     string `json:"name,omitempty"`
	Protocol string `json:"protocol,omitempty"`
}

type savedJoin struct {
	Kind   string `json:"kind"`
	Source string `json:"source,omitempty"`
	Name   string `json:"name"`
	Port   uint16 `json:"port,omitempty"`
	Share  *uint8 `json:"share,omitempty"`
}

type savedShard struct {
	Namespace string           `json:"namespace"`
	Name      string           `json:"name"`
	Ports     []savedEndpoints `json:"ports,omitempty"`
}

type savedEndpoints struct {
	Port      uint16          `json:"port"`
	Endpoints []savedEndpoint `json:"endpoints,omitempty"`
	Hosts     []savedHost     `json:"hosts,omitempty"`
}

type savedHost struct {
	Name   string `json:"name"`
	Port   uint16 `json:"port"`
	Weight uint32 `json:"weight"`
	Health string `json:"health,omitempty"`
	Idle   bool   `json:"idle,omitempty"`
}

type savedEndpoint struct {
	Address    netip.AddrPort   `json:"address"`
	Additional []netip.AddrPort `json:"additional,omitempty"`
	Workload   *savedID         `json:"workload,omitempty"`
	Network    string           `json:"network,omitempty"`
	Locality   *savedLocality   `json:"locality,omitempty"`
	Weight     uint32           `json:"weight"`
	Health     string           `json:"health,omitempty"`
	Zones      []string         `json:"zones,omitempty"`
	Idle       bool             `json:"idle,omitempty"`
}

type savedID struct {
	Cluster   string `json:"cluster,omitempty"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

type savedLocality struct {
	Region  string `json:"region,omitempty"`
	Zone    string `json:"zone,omitempty"`
	SubZone string `json:"subZone,omitempty"`
}

type savedWorkload struct {
	savedID
	Origin         *savedOrigin      `json:"origin,omitempty"`
	Addresses      []netip.Addr      `json:"addresses"`
	Labels         map[string]string `json:"labels,omitempty"`
	ServiceAccount string            `json:"serviceAccount,omitempty"`
	Network        string            `json:"network,omitempty"`
	Locality       *savedLocality    `json:"locality,omitempty"`
	Health         string            `json:"health,omitempty"`
	Sidecar        bool              `json:"sidecar,omitempty"`
	Proxyless      bool              `json:"proxyless,omitempty"`
	UID            string            `json:"uid,omitempty"`
	Node           string            `json:"node,omitempty"`
	HostNetwork    bool              `json:"hostNetwork,omitempty"`
}

type savedNode struct {
	Name     string         `json:"name"`
	Ready    bool           `json:"ready,omitempty"`
	Locality *savedLocality `json:"locality,omitempty"`
}

type savedNamespace struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Terminating bool              `json:"terminating,omitempty"`
}

// saveSource returns the records of a state, sorted.
func saveSource(id discovery.SourceID, goodUntil time.Time, s State) savedSource {
	saved := savedSource{Kind: id.Kind, Name: id.Name, GoodUntil: goodUntil.UTC()}
	for _, id := range slices.SortedFunc(maps.Keys(s.Services), discovery.ServiceID.Compare) {
		saved.Services = append(saved.Services, saveService(s.Services[id]))
	}
	shards := slices.SortedFunc(maps.Keys(s.Endpoints), func(a, b discovery.ShardID) int { return a.Service.Compare(b.Service) })
	for _, id := range shards {
		saved.Endpoints = append(saved.Endpoints, saveShard(s.Endpoints[id]))
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.Workloads), discovery.WorkloadID.Compare) {
		saved.Workloads = append(saved.Workloads, saveWorkload(s.Workloads[id]))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Nodes)) {
		node := s.Nodes[name]
		saved.Nodes = append(saved.Nodes, savedNode{Name: name, Ready: node.Ready, Locality: present(savedLocality(node.Locality))})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Namespaces)) {
		namespace := s.Namespaces[name]
		saved.Namespaces = append(saved.Namespaces, savedNamespace{Name: name, Labels: namespace.Labels, Terminating: namespace.Terminating})
	}
	return saved
}

// present returns a record, or nil when it is empty.
func present[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// value returns what a record says, the zero value for none.
func value[T any](record *T) T {
	var zero T
	if record == nil {
		return zero
	}
	return *record
}

// word returns the name of a value of the model, empty for the zero value.
func word[T interface {
	~uint8
	fmt.Stringer
}](of T) string {
	if of == 0 {
		return ""
	}
	return of.String()
}

// meaning returns the value of a name that word gave.
func meaning[T interface {
	~uint8
	fmt.Stringer
}](name string, last T) (T, error) {
	if name == "" {
		return 0, nil
	}
	for v := T(0); v <= last; v++ {
		if v.String() == name {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%q is not known", name)
}

func saveService(s *discovery.Service) savedService {
	saved := savedService{
		Namespace: s.ID.Namespace, Name: s.ID.Name, Origin: present(savedOrigin(s.Origin)), Registered: s.Registered,
		VIPs: s.VIPs, Distribution: word(s.Distribution),
	}
	for _, port := range s.Ports {
		saved.Ports = append(saved.Ports, savedPort{Port: port.Port, Name: port.Name, Protocol: word(port.Protocol)})
	}
	if s.Join != nil {
		join := savedJoin(*s.Join)
		saved.Join = &join
	}
	return saved
}

func saveShard(s *discovery.EndpointSet) savedShard {
	saved := savedShard{Namespace: s.ID.Service.Namespace, Name: s.ID.Service.Name}
	for i := range s.Ports {
		port := savedEndpoints{Port: s.Ports[i].Port}
		for _, e := range s.Ports[i].Endpoints {
			port.Endpoints = append(port.Endpoints, savedEndpoint{
				Address: e.Address, Additional: e.Additional, Workload: present(savedID(e.Workload)), Network: e.Network,
				Locality: present(savedLocality(e.Locality)), Weight: e.Weight, Health: word(e.Health), Zones: e.Zones, Idle: e.Idle,
			})
		}
		for _, h := range s.Ports[i].Hosts {
			port.Hosts = append(port.Hosts, savedHost{Name: h.Name, Port: h.Port, Weight: h.Weight, Health: word(h.Health), Idle: h.Idle})
		}
		saved.Ports = append(saved.Ports, port)
	}
	return saved
}

func saveWorkload(w *discovery.Workload) savedWorkload {
	return savedWorkload{
		savedID: savedID(w.ID), Origin: present(savedOrigin(w.Origin)), Addresses: w.Addresses, Labels: w.Labels,
		ServiceAccount: w.ServiceAccount, Network: w.Network, Locality: present(savedLocality(w.Locality)), Health: word(w.Health),
		Sidecar: w.Sidecar, Proxyless: w.Proxyless, UID: w.UID, Node: w.Node, HostNetwork: w.HostNetwork,
	}
}
