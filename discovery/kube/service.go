package kube

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"outrigger.dev/outrigger/discovery"
)

// service is a Service in the form that endpoints are resolved with. It is immutable.
type service struct {
	model *discovery.Service
	// targets[i] is behind model.Ports[i].
	targets []target
	// selector is sorted by key.
	selector []label
	// externalName is the DNS name that the service stands for; it may be empty.
	externalName string
	// preferIPv6 says that the first address family of the service is IPv6.
	preferIPv6 bool
	problems   []discovery.Problem
}

type label struct{ key, value string }

// target is the port of the instances: a number, or a name that each of them knows.
type target struct {
	number uint16
	name   string
}

// equal reports whether both are the same to their clients, and have the same endpoints.
func (s *service) equal(other *service) bool {
	return s.model.Equal(other.model) && slices.Equal(s.targets, other.targets) &&
		slices.Equal(s.selector, other.selector) && s.externalName == other.externalName &&
		s.preferIPv6 == other.preferIPv6 && slices.Equal(s.problems, other.problems)
}

// selects reports whether the labels are those that the service asks for.
func (s *service) selects(labels map[string]string) bool {
	for _, want := range s.selector {
		if value, ok := labels[want.key]; !ok || value != want.value {
			return false
		}
	}
	return len(s.selector) > 0
}

// readService turns a Service into the form of the mesh.
func readService(in *interner, from *corev1.Service) *service {
	id := discovery.ServiceID{Namespace: in.string(from.Namespace), Name: strings.Clone(from.Name)}
	r := &serviceReader{in: in, from: from, service: &service{model: &discovery.Service{
		ID: id, Origin: discovery.Origin{Kind: kindService, Location: strings.Clone(from.ResourceVersion)},
	}}}
	r.addresses()
	r.ports()
	r.distribution()
	r.join()
	r.unused()
	for _, key := range slices.Sorted(maps.Keys(from.Spec.Selector)) {
		r.service.selector = append(r.service.selector, label{key: in.string(key), value: in.string(from.Spec.Selector[key])})
	}
	return r.service
}

type serviceReader struct {
	in      *interner
	from    *corev1.Service
	service *service
}

func (r *serviceReader) problem(field, reason, message string) {
	r.service.problems = append(r.service.problems, discovery.Problem{
		Object: serviceObject(r.service.model.ID), Field: field, Reason: reason, Message: message, Warning: true,
	})
}

// addresses reads where clients send to: virtual addresses, or a name.
func (r *serviceReader) addresses() {
	spec := &r.from.Spec
	if spec.Type == corev1.ServiceTypeExternalName {
		r.name()
		return
	}
	ips := spec.ClusterIPs
	if len(ips) == 0 && spec.ClusterIP != "" {
		ips = []string{spec.ClusterIP}
	}
	for i, text := range ips {
		if text == corev1.ClusterIPNone || text == "" {
			continue
		}
		addr, err := netip.ParseAddr(text)
		if err != nil || !usable(addr) {
			r.problem(fmt.Sprintf("spec.clusterIPs[%d]", i), "Invalid",
				fmt.Sprintf("%q is not the address of one host: the service is used without it; let the cluster choose the address", text))
			continue
		}
		if !slices.Contains(r.service.model.VIPs, addr) {
			r.service.model.VIPs = append(r.service.model.VIPs, addr)
		}
	}
	r.service.preferIPv6 = prefersIPv6(spec, r.service.model.VIPs)
	slices.SortFunc(r.service.model.VIPs, netip.Addr.Compare)
}

// prefersIPv6 takes the first family that the service names, else that of its first address.
func prefersIPv6(spec *corev1.ServiceSpec, vips []netip.Addr) bool {
	if len(spec.IPFamilies) > 0 {
		return spec.IPFamilies[0] == corev1.IPv6Protocol
	}
	return len(vips) > 0 && vips[0].Is6()
}

// name reads the name that an ExternalName stands for. Names of the own machine
// are refused: they would lead a client into its own sidecar.
func (r *serviceReader) name() {
	name := strings.ToLower(strings.TrimSuffix(r.from.Spec.ExternalName, "."))
	_, notAddress := netip.ParseAddr(name)
	switch {
	case notAddress == nil:
		r.problem("spec.externalName", "Invalid", fmt.Sprintf("%q is an address and no DNS name: the service has no endpoints; "+
			"use a Service without selector and an EndpointSlice for addresses", name))
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		r.problem("spec.externalName", "Invalid", fmt.Sprintf("%q is no DNS name: the service has no endpoints; name a host", name))
	case name == "localhost" || strings.HasSuffix(name, ".localhost"):
		r.problem("spec.externalName", "Invalid", fmt.Sprintf("%q is the client's own machine: the service has no endpoints; "+
			"name a host that is the same for every client", name))
	case len(r.from.Spec.Ports) == 0:
		r.problem("spec.ports", "NoPort", "an ExternalName without ports has no endpoints in the mesh: name the ports that clients use")
	default:
		r.service.externalName = strings.Clone(name)
	}
}

type portEntry struct {
	port   discovery.ServicePort
	target target
}

// ports reads those that the mesh carries: TCP.
func (r *serviceReader) ports() {
	entries := make([]portEntry, 0, len(r.from.Spec.Ports))
	for i := range r.from.Spec.Ports {
		if entry, ok := r.port(i); ok {
			entries = append(entries, entry)
		}
	}
	slices.SortStableFunc(entries, func(a, b portEntry) int { return cmp.Compare(a.port.Port, b.port.Port) })
	for i, entry := range entries {
		if i > 0 && entry.port.Port == entries[i-1].port.Port {
			r.problem("spec.ports", "Duplicate", fmt.Sprintf("port %d stands there twice, the first is used: remove the other", entry.port.Port))
			continue
		}
		r.service.model.Ports = append(r.service.model.Ports, entry.port)
		r.service.targets = append(r.service.targets, entry.target)
	}
}

// port reads one port; false means that it is left out. UDP and SCTP go past the mesh in silence: DNS has them everywhere.
func (r *serviceReader) port(i int) (portEntry, bool) {
	from := &r.from.Spec.Ports[i]
	if from.Protocol != "" && from.Protocol != corev1.ProtocolTCP {
		return portEntry{}, false
	}
	if validation.IsValidPortNum(int(from.Port)) != nil {
		r.problem(fmt.Sprintf("spec.ports[%d].port", i), "Invalid", fmt.Sprintf("%d is no port and is left out: give a number of 1 to 65535", from.Port))
		return portEntry{}, false
	}
	entry := portEntry{target: r.target(i)}
	entry.port = discovery.ServicePort{Port: uint16(from.Port), Name: r.in.string(from.Name), Protocol: r.protocol(i, entry.target)}
	return entry, true
}

func (r *serviceReader) target(i int) target {
	from := &r.from.Spec.Ports[i]
	if from.TargetPort.Type == intstr.String {
		return target{name: r.in.string(from.TargetPort.StrVal)}
	}
	number := cmp.Or(from.TargetPort.IntVal, from.Port)
	if validation.IsValidPortNum(int(number)) != nil {
		r.problem(fmt.Sprintf("spec.ports[%d].targetPort", i), "Invalid",
			fmt.Sprintf("%d is no port, %d is used: give a number of 1 to 65535, or a name", number, from.Port))
		number = from.Port
	}
	return target{number: uint16(number)}
}

func (r *serviceReader) protocol(i int, behind target) discovery.Protocol {
	from := &r.from.Spec.Ports[i]
	var app string
	if from.AppProtocol != nil {
		app = *from.AppProtocol
	}
	protocol, known := discovery.ProtocolOf(app, from.Name, uint16(from.Port), behind.number)
	if !known {
		r.problem(fmt.Sprintf("spec.ports[%d].appProtocol", i), "Unsupported",
			fmt.Sprintf("%q is not known here: each connection is looked at; declare http, http2, grpc, tls or tcp", shorten(app)))
	}
	return protocol
}

func (r *serviceReader) distribution() {
	if r.from.Spec.TrafficDistribution == nil {
		return
	}
	switch wanted := *r.from.Spec.TrafficDistribution; wanted {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
		r.service.model.Distribution = discovery.PreferSameZone
	case corev1.ServiceTrafficDistributionPreferSameNode:
		r.service.model.Distribution = discovery.PreferSameNode
		r.problem("spec.trafficDistribution", "Unsupported",
			"PreferSameNode is kept as PreferSameZone: clients prefer their zone, and not their node")
	default:
		r.problem("spec.trafficDistribution", "Unsupported",
			fmt.Sprintf("%q is not known here: all endpoints are alike; use PreferSameZone", shorten(wanted)))
	}
}

// unused warns of fields that change what a cluster does and change nothing here.
func (r *serviceReader) unused() {
	if r.from.Spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		r.problem("spec.sessionAffinity", "Ignored", "is not kept here: requests go to all endpoints; remove it")
	}
	if policy := r.from.Spec.InternalTrafficPolicy; policy != nil && *policy == corev1.ServiceInternalTrafficPolicyLocal {
		r.problem("spec.internalTrafficPolicy", "Ignored",
			"Local is not kept here: requests go to all endpoints; remove it, or use trafficDistribution PreferSameZone")
	}
}

// shorten cuts a text for a message.
func shorten(text string) string {
	const limit = 64
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "..."
}
