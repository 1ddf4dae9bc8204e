package kube

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"outrigger.dev/outrigger/discovery"
)

// condition is what a slice says of an endpoint, the best first.
type condition uint8

const (
	ready condition = iota
	// leaving endpoints terminate and still serve.
	leaving
	unready
	// left endpoints terminate and serve no more.
	left
)

// slice is an EndpointSlice in the form that endpoints are built from. It is immutable.
type slice struct {
	key key
	// service is the name of the Service in the slice's namespace; it may be empty.
	service string
	// managed says that the cluster's own controller keeps the slice in step with its Service.
	managed   bool
	ports     []slicePort
	endpoints []sliceEndpoint
	problems  []discovery.Problem
	// trigger is when the change happened that the slice was last written for; it may be zero.
	trigger time.Time
}

// slicePort is a TCP port of a slice.
type slicePort struct {
	name   string
	number uint16
	// index is that in the object.
	index int
}

// sliceEndpoint is one instance of a slice.
type sliceEndpoint struct {
	// address is invalid for an endpoint that is known by a name.
	address netip.Addr
	host    string
	// pod is zero when the endpoint is none.
	pod       discovery.WorkloadID
	node      string
	zone      string
	zones     []string
	condition condition
}

func (e *sliceEndpoint) equal(other *sliceEndpoint) bool {
	return e.address == other.address && e.host == other.host && e.pod == other.pod && e.node == other.node &&
		e.zone == other.zone && e.condition == other.condition && slices.Equal(e.zones, other.zones)
}

// equal reports whether both say the same.
func (s *slice) equal(other *slice) bool {
	return s.service == other.service && s.managed == other.managed && slices.Equal(s.ports, other.ports) &&
		slices.Equal(s.problems, other.problems) && slices.EqualFunc(s.endpoints, other.endpoints,
		func(a, b sliceEndpoint) bool { return a.equal(&b) })
}

// loses reports whether something that served before the slice became next does not serve now.
func (s *slice) loses(next *slice) bool {
	if next == nil || next.service != s.service || len(next.endpoints) < len(s.endpoints) {
		return true
	}
	type place struct {
		address netip.Addr
		host    string
	}
	now := make(map[place]condition, len(next.endpoints))
	for i := range next.endpoints {
		e := &next.endpoints[i]
		now[place{e.address, e.host}] = e.condition
	}
	return slices.ContainsFunc(s.endpoints, func(e sliceEndpoint) bool {
		is, known := now[place{e.address, e.host}]
		return !known || is > e.condition
	})
}

// hasPods reports whether the cluster's own controller lists pods in the slice.
func (s *slice) hasPods() bool { return s.managed && len(s.endpoints) > 0 }

// readSlice turns an EndpointSlice into the form of the mesh.
func readSlice(in *interner, from *discoveryv1.EndpointSlice) *slice {
	r := &sliceReader{in: in, from: from, slice: &slice{
		key:     key{namespace: in.string(from.Namespace), name: strings.Clone(from.Name)},
		service: in.string(from.Labels[discoveryv1.LabelServiceName]),
		managed: from.Labels[discoveryv1.LabelManagedBy] == controllerName,
	}}
	if text := from.Annotations[corev1.EndpointsLastChangeTriggerTime]; text != "" {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			r.slice.trigger = at
		}
	}
	if r.slice.service == "" {
		r.problem("metadata.labels["+discoveryv1.LabelServiceName+"]", "NoService",
			"names no Service and is not used: set the label to the name of a Service of its namespace")
		return r.slice
	}
	r.ports()
	r.slice.endpoints = make([]sliceEndpoint, 0, len(from.Endpoints))
	for i := range from.Endpoints {
		r.endpoint(i)
	}
	return r.slice
}

// controllerName is what the cluster's own controller puts on the slices that it manages.
const controllerName = "endpointslice-controller.k8s.io"

type sliceReader struct {
	in    *interner
	from  *discoveryv1.EndpointSlice
	slice *slice
}

// maxProblems is how many problems of one object are listed.
const maxProblems = 16

func (r *sliceReader) problem(field, reason, message string) {
	if len(r.slice.problems) >= maxProblems {
		return
	}
	r.slice.problems = append(r.slice.problems, discovery.Problem{
		Object: r.slice.key.object(kindSlice), Field: field, Reason: reason, Message: message, Warning: true,
	})
}

func (r *sliceReader) ports() {
	for i := range r.from.Ports {
		from := &r.from.Ports[i]
		if from.Protocol != nil && *from.Protocol != "" && *from.Protocol != corev1.ProtocolTCP {
			continue
		}
		if from.Port == nil || validation.IsValidPortNum(int(*from.Port)) != nil {
			r.problem(fmt.Sprintf("ports[%d].port", i), "Invalid", "is no port, its endpoints are left out: give a number of 1 to 65535")
			continue
		}
		port := slicePort{number: uint16(*from.Port), index: i}
		if from.Name != nil {
			port.name = r.in.string(*from.Name)
		}
		r.slice.ports = append(r.slice.ports, port)
	}
}

// endpoint reads one instance: its first address, as Kubernetes itself does.
func (r *sliceReader) endpoint(i int) {
	from := &r.from.Endpoints[i]
	if len(from.Addresses) == 0 {
		r.problem(fmt.Sprintf("endpoints[%d].addresses", i), "Required", "is empty, the endpoint is left out: give one address")
		return
	}
	if len(from.Addresses) > 1 {
		r.problem(fmt.Sprintf("endpoints[%d].addresses", i), "Ignored",
			"only the first address is used: write an endpoint for each of the others")
	}
	e := sliceEndpoint{condition: conditionOf(&from.Conditions)}
	if !r.address(i, &e) {
		return
	}
	if ref := from.TargetRef; ref != nil && ref.Kind == kindPod && ref.Name != "" {
		e.pod = discovery.WorkloadID{Namespace: r.slice.key.namespace, Name: strings.Clone(ref.Name)}
		if ref.Namespace != "" {
			e.pod.Namespace = r.in.string(ref.Namespace)
		}
	}
	if from.NodeName != nil {
		e.node = r.in.string(*from.NodeName)
	}
	if from.Zone != nil {
		e.zone = r.in.string(*from.Zone)
	}
	e.zones = r.zones(from.Hints)
	r.slice.endpoints = append(r.slice.endpoints, e)
}

func conditionOf(from *discoveryv1.EndpointConditions) condition {
	isReady := from.Ready == nil || *from.Ready
	serving := isReady
	if from.Serving != nil {
		serving = *from.Serving
	}
	terminating := from.Terminating != nil && *from.Terminating
	switch {
	case isReady:
		// Also where it terminates: a Service that publishes addresses which are not ready says so.
		return ready
	case terminating && serving:
		return leaving
	case terminating:
		return left
	}
	return unready
}

// address reads where an endpoint is; false means that it is left out.
func (r *sliceReader) address(i int, into *sliceEndpoint) bool {
	at, text := fmt.Sprintf("endpoints[%d].addresses[0]", i), r.from.Endpoints[i].Addresses[0]
	if r.from.AddressType == discoveryv1.AddressTypeFQDN {
		name := strings.ToLower(strings.TrimSuffix(text, "."))
		if len(validation.IsDNS1123Subdomain(name)) > 0 || name == "localhost" || strings.HasSuffix(name, ".localhost") {
			r.problem(at, "Invalid", fmt.Sprintf("%q is no DNS name of another machine and is left out: name a host", shorten(text)))
			return false
		}
		into.host = r.in.string(name)
		return true
	}
	addr, err := netip.ParseAddr(text)
	addr = addr.Unmap()
	if err != nil || !usable(addr) {
		r.problem(at, "Invalid", fmt.Sprintf("%q is not the address of another machine and is left out: give an address of family %s",
			shorten(text), r.from.AddressType))
		return false
	}
	if addr.Is4() != (r.from.AddressType == discoveryv1.AddressTypeIPv4) {
		r.problem(at, "WrongFamily", fmt.Sprintf("%s is used although it is not of family %s: put it into a slice of its own family",
			addr, r.from.AddressType))
	}
	into.address = addr
	return true
}

func (r *sliceReader) zones(hints *discoveryv1.EndpointHints) []string {
	if hints == nil || len(hints.ForZones) == 0 {
		return nil
	}
	zones := make([]string, 0, len(hints.ForZones))
	for _, zone := range hints.ForZones {
		if zone.Name != "" {
			zones = append(zones, r.in.string(zone.Name))
		}
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}
