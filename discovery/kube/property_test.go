package kube

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// state is what the updates of a source add up to.
type state struct {
	services  map[discovery.ServiceID]*discovery.Service
	endpoints map[discovery.ShardID]*discovery.EndpointSet
	workloads map[discovery.WorkloadID]*discovery.Workload
	nodes     map[string]*discovery.Node
	problems  map[discovery.ObjectID][]discovery.Problem
}

func newState() *state {
	return &state{
		services: make(map[discovery.ServiceID]*discovery.Service), endpoints: make(map[discovery.ShardID]*discovery.EndpointSet),
		workloads: make(map[discovery.WorkloadID]*discovery.Workload), nodes: make(map[string]*discovery.Node),
		problems: make(map[discovery.ObjectID][]discovery.Problem),
	}
}

// take merges an update; every value in it must be news.
func (s *state) take(t *rapid.T, u discovery.Update) {
	merge(t, s.services, u.Services, (*discovery.Service).Equal)
	merge(t, s.endpoints, u.Endpoints, (*discovery.EndpointSet).Equal)
	merge(t, s.workloads, u.Workloads, (*discovery.Workload).Equal)
	merge(t, s.nodes, u.Nodes, (*discovery.Node).Equal)
	merge(t, s.problems, u.Problems, slices.Equal[[]discovery.Problem])
	for _, set := range u.Endpoints {
		if set != nil {
			checkSet(t, set)
		}
	}
}

func merge[K comparable, V any](t *rapid.T, into, from map[K]V, equal func(a, b V) bool) {
	var none V
	for k, v := range from {
		if equal(into[k], v) {
			t.Fatalf("%v is sent and is no news: %v", k, v)
		}
		if into[k] = v; equal(v, none) {
			delete(into, k)
		}
	}
}

// tester is the part of testing.TB that checks need.
type tester interface {
	Fatalf(format string, args ...any)
}

// checkSet checks what the model promises of a set.
func checkSet(t tester, set *discovery.EndpointSet) {
	if !slices.IsSortedFunc(set.Ports, func(a, b discovery.PortEndpoints) int { return cmp.Compare(a.Port, b.Port) }) {
		t.Fatalf("ports are not sorted: %+v", set.Ports)
	}
	for _, port := range set.Ports {
		for i, e := range port.Endpoints {
			if i > 0 && e.Address.Compare(port.Endpoints[i-1].Address) <= 0 || !e.Address.IsValid() || e.Weight == 0 || !usable(e.Address.Addr()) {
				t.Fatalf("endpoints are not sorted, or there twice, or bad: %+v", port.Endpoints)
			}
		}
		for i, h := range port.Hosts {
			if i > 0 && (port.Hosts[i-1].Name > h.Name || port.Hosts[i-1].Name == h.Name && port.Hosts[i-1].Port >= h.Port) || h.Weight == 0 {
				t.Fatalf("hosts are not sorted, or there twice: %+v", port.Hosts)
			}
		}
	}
}

func (s *state) equal(other *state) bool {
	return maps.EqualFunc(s.services, other.services, (*discovery.Service).Equal) &&
		maps.EqualFunc(s.endpoints, other.endpoints, (*discovery.EndpointSet).Equal) &&
		maps.EqualFunc(s.workloads, other.workloads, (*discovery.Workload).Equal) &&
		maps.EqualFunc(s.nodes, other.nodes, (*discovery.Node).Equal) &&
		maps.EqualFunc(s.problems, other.problems, slices.Equal[[]discovery.Problem])
}

// universe draws objects that often meet.
type universe struct{ *rapid.T }

func (u universe) pick(what string, of ...string) string {
	return rapid.SampledFrom(of).Draw(u.T, what)
}

func (u universe) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": u.pick("app", "a", "b")}}
}

func (u universe) object() (string, key, runtime.Object) {
	name := u.pick("name", "a", "b", "c")
	k := key{"shop", name}
	switch kind := u.pick("kind", kindService, kindSlice, kindPod, kindNode, kindWorkload); kind {
	case kindService:
		return kind, k, u.service(name)
	case kindSlice:
		return kind, k, u.slice(name)
	case kindPod:
		pod := &corev1.Pod{ObjectMeta: u.meta(name), Spec: corev1.PodSpec{NodeName: u.pick("node", "", "a", "b")}}
		pod.Status.PodIP = u.pick("ip", "", "10.0.0.1", "10.0.0.2", "fd00::1")
		pod.Status.Phase = corev1.PodPhase(u.pick("phase", "Running", "Running", "Failed"))
		return kind, k, pod
	case kindNode:
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: u.pick("zone", "x", "y")}}}
		return kind, key{name: name}, node
	default:
		machine := &v1alpha1.Workload{ObjectMeta: u.meta(name)}
		machine.Spec.Addresses = []v1alpha1.IPAddress{v1alpha1.IPAddress(u.pick("ip", "10.0.0.1", "10.0.0.4", "fd00::4"))}
		machine.Spec.Health = v1alpha1.Health(u.pick("health", "", "Draining", "Unhealthy"))
		machine.Spec.Ports = []v1alpha1.WorkloadPort{{Name: "web", Port: 99}}
		return kind, k, machine
	}
}

func (u universe) service(name string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: u.meta(name)}
	if u.pick("selector", "yes", "no") == "yes" {
		s.Spec.Selector = map[string]string{"app": u.pick("app", "a", "b")}
	}
	s.Spec.IPFamilies = []corev1.IPFamily{corev1.IPFamily(u.pick("family", "IPv4", "IPv6"))}
	for i, port := range []string{"web", "admin"}[:rapid.IntRange(1, 2).Draw(u.T, "ports")] {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: port, Port: int32(80 + i), TargetPort: intstr.Parse(u.pick("target", "8080", "web"))})
	}
	if u.pick("external", "no", "no", "no", "yes") == "yes" {
		s.Spec.Type, s.Spec.ExternalName = corev1.ServiceTypeExternalName, "a.example.com"
	}
	return s
}

func (u universe) slice(name string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: u.meta(name)}
	s.Labels[discoveryv1.LabelServiceName] = u.pick("service", "", "a", "b")
	s.AddressType = discoveryv1.AddressType(u.pick("type", "IPv4", "IPv4", "IPv6", "FQDN"))
	for range rapid.IntRange(0, 2).Draw(u.T, "ports") {
		port, number := u.pick("port", "web", "admin"), rapid.Int32Range(8080, 8081).Draw(u.T, "number")
		s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: &port, Port: &number})
	}
	for range rapid.IntRange(0, 4).Draw(u.T, "endpoints") {
		e := discoveryv1.Endpoint{Addresses: []string{u.pick("address", "10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "a.example.com")}}
		draw := func(what string) *bool { b := rapid.Bool().Draw(u.T, what); return &b }
		e.Conditions = discoveryv1.EndpointConditions{Ready: draw("ready"), Serving: draw("serving"), Terminating: draw("terminating")}
		if pod := u.pick("pod", "", "a", "b"); pod != "" {
			e.TargetRef = &corev1.ObjectReference{Kind: kindPod, Name: pod}
		}
		node := u.pick("node", "a", "b", "c")
		e.NodeName = &node
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}

// What changes one by one adds up to what is read at once, and nothing is sent that is no news.
func TestChangesAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, now := newModel(t), time.Unix(0, 0)
		m.worker.clock = func() time.Time { return now }
		have, objects := newState(), make(map[string]runtime.Object)
		have.take(rt, m.begin(t))
		for range rapid.IntRange(1, 30).Draw(rt, "events") {
			kind, k, object := universe{rt}.object()
			id := fmt.Sprint(kind, k)
			gone := rapid.IntRange(0, 4).Draw(rt, "gone") == 0
			if objects[id] = object; gone {
				delete(objects, id)
			}
			m.sinks[kind].event(object, gone)
			m.sinks[kind].apply()
			if rapid.Bool().Draw(rt, "take") {
				have.take(rt, m.take(t))
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(rt, "seconds")) * time.Second)
		}
		have.take(rt, m.take(t))
		now = now.Add(awaitPod)
		have.take(rt, m.take(t))
		fresh, want := newModel(t), newState()
		for id, object := range objects {
			for kind, s := range fresh.sinks {
				if len(id) > len(kind) && id[:len(kind)] == kind && id[len(kind)] == '{' {
					s.collect(object, false)
				}
			}
		}
		want.take(rt, fresh.begin(t))
		if !have.equal(want) {
			rt.Fatalf("changes add up to\n%+v\nand not to\n%+v", have, want)
		}
	})
}

// Whatever stands in objects: nothing panics, and what comes out is as the model promises.
func FuzzObjects(f *testing.F) {
	name, number := "web", int32(8080)
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "cart-a", Labels: map[string]string{discoveryv1.LabelServiceName: "cart"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &number}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}, {Addresses: []string{"fd00::1"}}},
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart"}}
	service.Spec.Ports = []corev1.ServicePort{{Name: "web", Port: 80}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart-1"}, Status: corev1.PodStatus{PodIP: "10.0.0.1"}}
	text := func(o interface{ Marshal() ([]byte, error) }) []byte {
		data, err := o.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		return data
	}
	f.Add(text(service), text(s), text(s), text(pod))
	f.Fuzz(func(t *testing.T, serviceText, first, second, podText []byte) {
		in := &interner{}
		var service corev1.Service
		var a, b discoveryv1.EndpointSlice
		var pod corev1.Pod
		if service.Unmarshal(serviceText) != nil || a.Unmarshal(first) != nil || b.Unmarshal(second) != nil || pod.Unmarshal(podText) != nil {
			return
		}
		readPod(in, &pod)
		x, y := readSlice(in, &a), readSlice(in, &b)
		x.loses(y)
		built := endpoints(facts{service: readService(in, &service), slices: []*slice{x, y}, now: time.Unix(0, 0)})
		if built.set != nil {
			checkSet(t, built.set)
		}
	})
}
