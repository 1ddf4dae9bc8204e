package kube

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	benchServices  = 10_000
	benchEndpoints = 10
)

// wire is a cluster as its API server writes it, with the parts of objects that nobody here needs.
type wire struct {
	services, slices, pods [][]byte
}

func managedFields() []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{{
		Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:ports":{},"f:selector":{},"f:type":{}}}`),
	}}
}

func benchService(i int) *corev1.Service {
	name := fmt.Sprintf("service-%d", i)
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("ns-%d", i%100), Name: name, ManagedFields: managedFields()}}
	s.Spec = corev1.ServiceSpec{
		ClusterIPs: []string{fmt.Sprintf("10.96.%d.%d", i/256, i%256)}, Selector: map[string]string{"app": name},
		Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}
	return s
}

func benchAddress(i, j int) string { return fmt.Sprintf("10.%d.%d.%d", 128+j, i/256, i%256) }

func benchSlice(i int, ready bool) *discoveryv1.EndpointSlice {
	name, port, zone, node, yes := "http", int32(8080), fmt.Sprintf("zone-%d", i%3), fmt.Sprintf("node-%d", i%500), true
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprintf("ns-%d", i%100), Name: fmt.Sprintf("service-%d-abcde", i), ManagedFields: managedFields(),
			Labels: map[string]string{discoveryv1.LabelServiceName: fmt.Sprintf("service-%d", i), discoveryv1.LabelManagedBy: controllerName},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for j := range benchEndpoints {
		serves := ready || j > 0
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{benchAddress(i, j)}, NodeName: &node, Zone: &zone,
			Conditions: discoveryv1.EndpointConditions{Ready: &serves, Serving: &yes, Terminating: new(!serves)},
			TargetRef:  &corev1.ObjectReference{Kind: kindPod, Namespace: s.Namespace, Name: fmt.Sprintf("service-%d-abcde-%d", i, j)},
		})
	}
	return s
}

func benchPod(i, j int) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: fmt.Sprintf("ns-%d", i%100), Name: fmt.Sprintf("service-%d-abcde-%d", i, j), ManagedFields: managedFields(),
		UID:    types.UID(fmt.Sprintf("%08d-0000-0000-0000-%012d", i, j)),
		Labels: map[string]string{"app": fmt.Sprintf("service-%d", i), "pod-template-hash": "5d59d67564", LabelProxy: ProxySidecar},
	}}
	container := corev1.Container{Name: "app", Image: "registry.example.com/app:v1", Env: make([]corev1.EnvVar, 10)}
	for k := range container.Env {
		container.Env[k] = corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", k), Value: "some value that is not short"}
	}
	p.Spec = corev1.PodSpec{NodeName: fmt.Sprintf("node-%d", i%500), ServiceAccountName: "app", Containers: []corev1.Container{container}}
	p.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: benchAddress(i, j), PodIPs: []corev1.PodIP{{IP: benchAddress(i, j)}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	return p
}

func newWire(b *testing.B) *wire {
	b.Helper()
	marshal := func(o interface{ Marshal() ([]byte, error) }) []byte {
		data, err := o.Marshal()
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	w := &wire{}
	for i := range benchServices {
		w.services = append(w.services, marshal(benchService(i)))
		w.slices = append(w.slices, marshal(benchSlice(i, true)))
		for j := range benchEndpoints {
			w.pods = append(w.pods, marshal(benchPod(i, j)))
		}
	}
	return w
}

// load reads the wire as a first state.
func (w *wire) load(b *testing.B) *model {
	b.Helper()
	m := newModel(b)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, data := range w.services {
		var o corev1.Service
		must(o.Unmarshal(data))
		m.sinks[kindService].collect(&o, false)
	}
	for _, data := range w.slices {
		var o discoveryv1.EndpointSlice
		must(o.Unmarshal(data))
		m.sinks[kindSlice].collect(&o, false)
	}
	for _, data := range w.pods {
		var o corev1.Pod
		must(o.Unmarshal(data))
		m.sinks[kindPod].collect(&o, false)
	}
	if update := m.begin(b); len(update.Services) != benchServices || len(update.Workloads) != benchServices*benchEndpoints {
		b.Fatalf("%d services, %d workloads", len(update.Services), len(update.Workloads))
	}
	return m
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkColdStart reads 10,000 services with 10 pods each, from the bytes of
// the API to the first update; held-MB is what stays.
func BenchmarkColdStart(b *testing.B) {
	w := newWire(b)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		m := w.load(b)
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/1e6, "held-MB")
		runtime.KeepAlive(m)
		b.StartTimer()
	}
}

// BenchmarkChange drains an endpoint of a slice and takes it back, among
// 10,000 services: from the bytes of the API to the update.
func BenchmarkChange(b *testing.B) {
	m := newWire(b).load(b)
	var changes [2][]byte
	for i, ready := range []bool{false, true} {
		data, err := benchSlice(7, ready).Marshal()
		if err != nil {
			b.Fatal(err)
		}
		changes[i] = data
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var o discoveryv1.EndpointSlice
		if err := o.Unmarshal(changes[i%2]); err != nil {
			b.Fatal(err)
		}
		m.reading = time.Now()
		m.sinks[kindSlice].event(&o, false)
		m.sinks[kindSlice].apply()
		if update := m.take(b); len(update.Endpoints) != 1 {
			b.Fatalf("%d shards for one change", len(update.Endpoints))
		}
	}
}

// BenchmarkLargeService changes one of 10,000 endpoints of one service.
func BenchmarkLargeService(b *testing.B) {
	m := newModel(b)
	s := benchService(0)
	m.sinks[kindService].collect(s, false)
	for i := range 1000 {
		slice := benchSlice(i, true)
		slice.Namespace, slice.Labels[discoveryv1.LabelServiceName] = s.Namespace, s.Name
		m.sinks[kindSlice].collect(slice, false)
	}
	m.begin(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		slice := benchSlice(7, i%2 == 1)
		slice.Namespace, slice.Labels[discoveryv1.LabelServiceName] = s.Namespace, s.Name
		m.sinks[kindSlice].event(slice, false)
		m.sinks[kindSlice].apply()
		if update := m.take(b); len(update.Endpoints) != 1 {
			b.Fatalf("%d shards for one change", len(update.Endpoints))
		}
	}
}
