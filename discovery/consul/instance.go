package consul

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
)

// The keys of an instance's Meta that Outrigger reads.
const (
	metaPort     = "outrigger-port"
	metaProtocol = "outrigger-protocol"
	metaProxy    = "outrigger-proxy"
	metaAccount  = "outrigger-service-account"
	metaPrefix   = "outrigger-"
)

// Names of tagged addresses.
const (
	taggedWAN     = "wan"
	taggedIPv4    = "lan_ipv4"
	taggedIPv6    = "lan_ipv6"
	taggedWANIPv4 = "wan_ipv4"
	taggedWANIPv6 = "wan_ipv6"
	taggedVirtual = "virtual"
)

// instanceKey names an instance within a service.
type instanceKey struct{ node, id string }

func (k instanceKey) compare(other instanceKey) int {
	if c := strings.Compare(k.node, other.node); c != 0 {
		return c
	}
	return strings.Compare(k.id, other.id)
}

// instance is one row in the form that services are built of. It is immutable.
type instance struct {
	key instanceKey
	// workload is nil for an instance that is known by a host name only. Its health is the registry's.
	workload *discovery.Workload
	// address is where it is reached, and additional the other family; host stands for both where there is a name.
	address    netip.Addr
	additional netip.Addr
	host       string
	// port is 0 where none was registered.
	port uint16
	// passing and warning are its weights in these states.
	passing, warning uint32
	health           discovery.Health
	locality         discovery.Locality
	// wantPort is what Meta says that clients use, as written; protocol likewise, of Meta or a tag.
	wantPort, protocol string
	vips               []netip.Addr
	// fault says what is wrong with it, empty when nothing is.
	fault string
}

func (i *instance) equal(other *instance) bool {
	return i.key == other.key && i.workload.Equal(other.workload) && i.address == other.address &&
		i.additional == other.additional && i.host == other.host && i.port == other.port &&
		i.passing == other.passing && i.warning == other.warning && i.health == other.health &&
		i.locality == other.locality && i.wantPort == other.wantPort && i.protocol == other.protocol &&
		slices.Equal(i.vips, other.vips) && i.fault == other.fault
}

// weight is that of the instance in a state; 0: it is to get nothing.
func (i *instance) weight(health discovery.Health) uint32 {
	if health == discovery.Degraded {
		return i.warning
	}
	return i.passing
}

// reader turns rows into instances. It keeps equal texts and labels once.
type reader struct {
	namespace string
	name      name
	// remote says that the instances are in another datacenter.
	remote bool
	texts  map[string]string
	labels map[string]map[string]string
}

func newReader(namespace string, n name, remote bool) *reader {
	return &reader{
		namespace: namespace, name: n, remote: remote,
		texts: make(map[string]string), labels: make(map[string]map[string]string),
	}
}

// ordinary reports whether a row is an instance of the service itself: neither a proxy of Consul's mesh nor a gateway,
// and not of a service whose name differs in case, which Consul answers too.
func (r *reader) ordinary(from *row) bool {
	return from.Service.Kind == api.ServiceKindTypical && from.Service.Service == r.name.service
}

// read builds the instance of a row.
func (r *reader) read(from *row) *instance {
	i := &instance{
		key:    instanceKey{node: r.text(from.Node.Node), id: r.text(from.Service.ID)},
		health: healthOf(from.Checks), locality: r.locality(from),
		wantPort: r.text(from.Service.Meta[metaPort]), protocol: r.text(protocolOf(from.Service)),
		passing: 1, warning: 1,
	}
	if w := from.Service.Weights; w != nil {
		i.passing, i.warning = weightOf(w.Passing), weightOf(w.Warning)
	}
	if i.weight(i.health) == 0 && i.health < discovery.Unhealthy {
		i.health = discovery.Unhealthy // As Consul's own proxies take it: a weight of 0 gets nothing.
	}
	r.setAddress(i, from)
	i.vips = virtualAddresses(from.Service)
	if i.address.IsValid() {
		i.workload = r.workload(i, from)
	}
	return i
}

// text returns one copy of equal texts.
func (r *reader) text(s string) string {
	if kept, ok := r.texts[s]; ok {
		return kept
	}
	r.texts[s] = s
	return s
}

func (r *reader) workload(i *instance, from *row) *discovery.Workload {
	w := &discovery.Workload{
		ID:             discovery.WorkloadID{Namespace: r.namespace, Name: workloadName(i.key, r.name.peer)},
		Origin:         discovery.Origin{Kind: kindInstance},
		Addresses:      []netip.Addr{i.address},
		Labels:         r.labelsOf(from.Service),
		ServiceAccount: "default",
		Locality:       i.locality,
		Health:         i.health,
		Sidecar:        from.Service.Meta[metaProxy] == "sidecar",
		Proxyless:      from.Service.Meta[metaProxy] == "grpc",
		Node:           i.key.node,
	}
	if account := from.Service.Meta[metaAccount]; account != "" {
		if isLabel(account) {
			w.ServiceAccount = r.text(account)
		} else {
			// Another identity than the one that was meant would be worse than none.
			w.Sidecar, w.Proxyless = false, false
			i.fault = "Meta " + metaAccount + " " + strconv.Quote(account) + " is no name of a service account, so that the instance is taken as one outside the mesh"
		}
	}
	if i.additional.IsValid() {
		w.Addresses = append(w.Addresses, i.additional)
		slices.SortFunc(w.Addresses, netip.Addr.Compare)
	}
	return w
}

// locality is that of the instance, of its node, or what the node's Meta says.
func (r *reader) locality(from *row) discovery.Locality {
	for _, l := range []*api.Locality{from.Service.Locality, from.Node.Locality} {
		if l != nil && (l.Region != "" || l.Zone != "") {
			return discovery.Locality{Region: r.text(l.Region), Zone: r.text(l.Zone)}
		}
	}
	part := func(key string) string {
		if own := from.Node.Meta[metaPrefix+key]; own != "" {
			return r.text(own)
		}
		return r.text(from.Node.Meta[key])
	}
	return discovery.Locality{Region: part("region"), Zone: part("zone"), SubZone: part("subzone")}
}

// healthOf maps the states of all checks, the node's included, to one: maintenance before critical before warning. A state that is
// not known counts as critical.
func healthOf(checks []check) discovery.Health {
	health := discovery.Healthy
	for _, c := range checks {
		switch {
		case c.CheckID == api.NodeMaint, strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix):
			return discovery.Draining
		case c.Status == api.HealthPassing:
		case c.Status == api.HealthWarning:
			health = max(health, discovery.Degraded)
		default:
			health = max(health, discovery.Unhealthy)
		}
	}
	return health
}

// maxWeight is Consul's own bound.
const maxWeight = 65535

func weightOf(from int) uint32 { return uint32(min(max(from, 0), maxWeight)) }

// protocolOf is what Meta says, else a tag "protocol=...".
func protocolOf(s *registered) string {
	for _, key := range []string{metaProtocol, "protocol"} {
		if value := s.Meta[key]; value != "" {
			return value
		}
	}
	for _, tag := range s.Tags {
		for _, key := range []string{metaProtocol, "protocol"} {
			if value, ok := strings.CutPrefix(tag, key+"="); ok {
				return value
			}
		}
	}
	return ""
}

// virtualAddresses returns the tagged address "virtual", by which clients know the service.
func virtualAddresses(s *registered) []netip.Addr {
	tagged, ok := s.TaggedAddresses[taggedVirtual]
	if !ok {
		return nil
	}
	if addr, err := netip.ParseAddr(tagged.Address); err == nil && usable(addr) {
		return []netip.Addr{addr.Unmap()}
	}
	return nil
}

// labelsOf takes what can be a label of Meta and tags: Meta as it is, save what is Outrigger's own, a tag "key=value", and
// a plain tag as <tag>: "true". Meta goes before tags, and an earlier tag before a later one.
func (r *reader) labelsOf(s *registered) map[string]string {
	labels := map[string]string{labelService: label(r.name.service, maxLabel)}
	for key, value := range s.Meta {
		if !strings.HasPrefix(key, metaPrefix) && isLabelKey(key) && isLabelValue(value) {
			labels[r.text(key)] = r.text(value)
		}
	}
	for _, tag := range s.Tags {
		key, value, pair := strings.Cut(tag, "=")
		if !pair {
			value = "true"
		}
		if _, taken := labels[key]; !taken && !strings.HasPrefix(key, metaPrefix) && isLabelKey(key) && isLabelValue(value) {
			labels[r.text(key)] = r.text(value)
		}
	}
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		text.WriteString(key + "=" + labels[key] + "\n")
	}
	if kept, ok := r.labels[text.String()]; ok {
		return kept
	}
	r.labels[text.String()] = labels
	return labels
}
