package build

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// The commands of scripts:
//
//	service shop/cart vips=10.0.0.1,fd00::1 ports=80/http,90/tcp [source=file/local] [at=mesh.yaml:3] [share=30] [near=true]
//	shard shop/cart 80=10.1.0.1:8080@shop/cart-1~east,10.1.0.2:8080,db.example:8080 [source=file/local] [health=draining] [weight=2] [idle=true]
//	workload shop/cart-1 [sa=cart] [sidecar=true] [zone=east] [proxyless=true] [labels=app:cart] [addresses=10.1.0.1]
//	mesh default [mode=strict] [unknown=deny]
//	peer shop/strict [mode=strict] [labels=app:cart] [ports=8080:disabled]
//	proxy shop/cart [explicit=true] [labels=app:cart] [egress=127.0.0.1:9000>shop/catalog:80] [ingress=8080>127.0.0.1:8080] [scope=shop/*]
//	remove service|shard|workload|mesh|peer|proxy NAME [source=file/local]
//	retire
func parseCommand(line string, batch *Batch) error {
	words := strings.Fields(line)
	remove := words[0] == "remove"
	if remove {
		words = words[1:]
	}
	if len(words) < 2 {
		return fmt.Errorf("a kind and a name are needed")
	}
	c := command{kind: words[0], args: map[string]string{}, remove: remove}
	c.namespace, c.name, _ = strings.Cut(words[1], "/")
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		if _, err := strconv.Atoi(key); err == nil {
			c.endpoints = append(c.endpoints, w)
			continue
		}
		c.args[key] = value
	}
	return c.add(batch)
}

type command struct {
	kind, namespace, name string
	args                  map[string]string
	endpoints             []string
	remove                bool
}

func (c *command) add(batch *Batch) error {
	switch c.kind {
	case "service", "shard", "workload":
		u, err := c.update()
		batch.Updates = append(batch.Updates, u)
		return err
	case "mesh", "peer", "proxy":
		r, err := c.rule()
		batch.Rules = append(batch.Rules, r)
		return err
	}
	return fmt.Errorf("no such kind")
}

func (c *command) source() discovery.SourceID {
	kind, name, ok := strings.Cut(c.args["source"], "/")
	if !ok {
		return discovery.SourceID{Kind: "file", Name: "local"}
	}
	return discovery.SourceID{Kind: kind, Name: name}
}

func (c *command) update() (discovery.Update, error) {
	u := discovery.Update{Source: c.source()}
	id := discovery.ServiceID{Namespace: c.namespace, Name: c.name}
	var err error
	switch c.kind {
	case "service":
		u.Services = map[discovery.ServiceID]*discovery.Service{id: nil}
		if !c.remove {
			u.Services[id], err = c.service(id)
		}
	case "shard":
		shard := discovery.ShardID{Service: id, Source: u.Source}
		u.Endpoints = map[discovery.ShardID]*discovery.EndpointSet{shard: nil}
		if !c.remove {
			u.Endpoints[shard], err = c.shard(shard)
		}
	case "workload":
		workload := discovery.WorkloadID{Namespace: c.namespace, Name: c.name}
		u.Workloads = map[discovery.WorkloadID]*discovery.Workload{workload: nil}
		if !c.remove {
			u.Workloads[workload], err = c.workload(workload)
		}
	}
	return u, err
}

func (c *command) service(id discovery.ServiceID) (*discovery.Service, error) {
	s := &discovery.Service{ID: id, Origin: discovery.Origin{Kind: "Service", Location: c.args["at"]}}
	if c.args["near"] == "true" {
		s.Distribution = discovery.PreferSameZone
	}
	if c.args["share"] != "" {
		share, err := strconv.ParseUint(c.args["share"], 10, 8)
		if err != nil {
			return nil, err
		}
		percent := uint8(share)
		s.Join = &discovery.Join{Kind: "consul", Name: id.Name, Share: &percent}
	}
	for _, text := range list(c.args["vips"]) {
		vip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		s.VIPs = append(s.VIPs, vip)
	}
	for _, text := range list(c.args["ports"]) {
		number, protocol, _ := strings.Cut(text, "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return nil, err
		}
		sp := discovery.ServicePort{Port: uint16(port)}
		for p := discovery.Detect; p <= discovery.TLS; p++ {
			if p.String() == protocol {
				sp.Protocol = p
			}
		}
		s.Ports = append(s.Ports, sp)
	}
	return s, nil
}

func (c *command) shard(id discovery.ShardID) (*discovery.EndpointSet, error) {
	set := &discovery.EndpointSet{ID: id}
	for _, text := range c.endpoints {
		number, addresses, _ := strings.Cut(text, "=")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return nil, err
		}
		pe := discovery.PortEndpoints{Port: uint16(port)}
		for _, text := range list(addresses) {
			if host, ok := c.host(text); ok {
				pe.Hosts = append(pe.Hosts, host)
				continue
			}
			e, err := c.endpoint(text)
			if err != nil {
				return nil, err
			}
			pe.Endpoints = append(pe.Endpoints, e)
		}
		set.Ports = append(set.Ports, pe)
	}
	return set, nil
}

// host returns what a text that begins with a letter names.
func (c *command) host(text string) (discovery.Host, bool) {
	name, number, _ := strings.Cut(text, ":")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil || name == "" || !strings.ContainsAny(name[:1], "abcdefghijklmnopqrstuvwxyz") {
		return discovery.Host{}, false
	}
	return discovery.Host{Name: name, Port: uint16(port), Weight: 1, Idle: c.args["idle"] == "true"}, true
}

func (c *command) endpoint(text string) (discovery.Endpoint, error) {
	text, zone, _ := strings.Cut(text, "~")
	address, workload, _ := strings.Cut(text, "@")
	e := discovery.Endpoint{Weight: 1, Network: c.args["network"], Idle: c.args["idle"] == "true"}
	e.Workload.Namespace, e.Workload.Name, _ = strings.Cut(workload, "/")
	e.Locality.Zone = zone
	if c.args["health"] == "draining" {
		e.Health = discovery.Draining
	}
	if c.args["weight"] != "" {
		weight, err := strconv.ParseUint(c.args["weight"], 10, 32)
		if err != nil {
			return e, err
		}
		e.Weight = uint32(weight)
	}
	var err error
	e.Address, err = netip.ParseAddrPort(address)
	return e, err
}

func (c *command) workload(id discovery.WorkloadID) (*discovery.Workload, error) {
	w := &discovery.Workload{
		ID: id, Origin: discovery.Origin{Kind: "Workload"}, ServiceAccount: c.args["sa"],
		Sidecar: c.args["sidecar"] == "true", Proxyless: c.args["proxyless"] == "true", Labels: map[string]string{},
	}
	w.Locality.Zone = c.args["zone"]
	for _, l := range c.labels() {
		w.Labels[l.Key] = l.Value
	}
	for _, text := range list(c.args["addresses"]) {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		w.Addresses = append(w.Addresses, address)
	}
	return w, nil
}

func (c *command) rule() (policy.Update, error) {
	var u policy.Update
	var err error
	switch c.kind {
	case "mesh":
		object := discovery.ObjectID{Kind: "MeshConfig", Name: c.namespace}
		u.Mesh = map[discovery.ObjectID]*policy.MeshRule{object: nil}
		if !c.remove {
			rule := &policy.MeshRule{Object: object, DefaultMode: modeNamed(c.args["mode"])}
			if c.args["unknown"] == "deny" {
				rule.UnknownDestinations = ir.Deny
			}
			u.Mesh[object] = rule
		}
	case "peer":
		object := discovery.ObjectID{Kind: "AuthenticationPolicy", Namespace: c.namespace, Name: c.name}
		u.Peers = map[discovery.ObjectID]*policy.PeerRule{object: nil}
		if !c.remove {
			u.Peers[object], err = c.peerRule(object)
		}
	case "proxy":
		object := discovery.ObjectID{Kind: "ProxyConfig", Namespace: c.namespace, Name: c.name}
		u.Proxies = map[discovery.ObjectID]*policy.ProxyRule{object: nil}
		if !c.remove {
			u.Proxies[object], err = c.proxyRule(object)
		}
	}
	return u, err
}

func (c *command) selector() policy.Selector {
	return policy.Selector{Namespace: c.namespace, Labels: c.labels()}
}

func (c *command) peerRule(object discovery.ObjectID) (*policy.PeerRule, error) {
	rule := &policy.PeerRule{Object: object, Selector: c.selector(), Mode: modeNamed(c.args["mode"])}
	for _, text := range list(c.args["ports"]) {
		number, mode, _ := strings.Cut(text, ":")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return nil, err
		}
		rule.Ports = append(rule.Ports, policy.PortMode{Port: uint16(port), Mode: modeNamed(mode)})
	}
	return rule, nil
}

func (c *command) proxyRule(object discovery.ObjectID) (*policy.ProxyRule, error) {
	rule := &policy.ProxyRule{Object: object, Selector: c.selector(), Explicit: c.args["explicit"] == "true"}
	for i, text := range list(c.args["egress"]) {
		address, target, _ := strings.Cut(text, ">")
		service, number, _ := strings.Cut(target, ":")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return nil, err
		}
		l := policy.EgressListener{Index: i, Service: serviceNamed(service), Port: uint16(port)}
		if l.Address, err = netip.ParseAddrPort(address); err != nil {
			return nil, err
		}
		rule.Egress = append(rule.Egress, l)
	}
	for i, text := range list(c.args["ingress"]) {
		number, target, _ := strings.Cut(text, ">")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return nil, err
		}
		l := policy.IngressListener{Index: i, Port: uint16(port)}
		if l.Target, err = netip.ParseAddrPort(target); err != nil {
			return nil, err
		}
		rule.Ingress = append(rule.Ingress, l)
	}
	for _, text := range list(c.args["scope"]) {
		rule.Scope.Declared = true
		rule.Scope.Services = append(rule.Scope.Services, serviceNamed(text))
	}
	return rule, nil
}

func (c *command) labels() []policy.Label {
	var labels []policy.Label
	for _, text := range list(c.args["labels"]) {
		key, value, _ := strings.Cut(text, ":")
		labels = append(labels, policy.Label{Key: key, Value: value})
	}
	slices.SortFunc(labels, func(a, b policy.Label) int { return strings.Compare(a.Key, b.Key) })
	return labels
}

func serviceNamed(text string) discovery.ServiceID {
	namespace, name, _ := strings.Cut(text, "/")
	return discovery.ServiceID{Namespace: namespace, Name: name}
}

func modeNamed(name string) ir.MTLSMode {
	switch name {
	case "strict":
		return ir.Strict
	case "disabled":
		return ir.Disabled
	}
	return ir.Permissive
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
