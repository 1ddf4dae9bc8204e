package machine_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// full is a Workload with everything that there is to say.
func full(addresses ...v1alpha1.IPAddress) *v1alpha1.Workload {
	weight := int32(7)
	return &v1alpha1.Workload{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "vm", Labels: map[string]string{"app": "cart"}},
		Spec: v1alpha1.WorkloadSpec{
			Addresses: addresses, Ports: []v1alpha1.WorkloadPort{{Name: "web", Port: 8080}, {Name: "admin", Port: 9090}},
			ServiceAccountName: "cart", Network: "dmz", Locality: v1alpha1.Locality{Region: "eu", Zone: "eu-1", SubZone: "rack-1"},
			Weight: &weight, Health: v1alpha1.HealthDegraded, Sidecar: true,
		},
	}
}

func TestModel(t *testing.T) {
	got := machine.New(full("192.0.2.9", "2001:db8::1", "192.0.2.1")).Model
	want := &discovery.Workload{
		ID: discovery.WorkloadID{Namespace: "shop", Name: "vm"}, Origin: discovery.Origin{Kind: "Workload"},
		Labels: map[string]string{"app": "cart"}, ServiceAccount: "cart", Network: "dmz",
		Locality:  discovery.Locality{Region: "eu", Zone: "eu-1", SubZone: "rack-1"},
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::1")},
		Health:    discovery.Degraded, Sidecar: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it is\n%+v, not\n%+v", got, want)
	}
}

// TestDefaults: what an object does not say.
func TestDefaults(t *testing.T) {
	m := machine.New(&v1alpha1.Workload{Spec: v1alpha1.WorkloadSpec{Addresses: []v1alpha1.IPAddress{"192.0.2.1"}}})
	if m.Model.ServiceAccount != "default" || m.Model.Health != discovery.Healthy {
		t.Errorf("it is %+v", m.Model)
	}
	if got := m.Endpoint(80, false).Weight; got != 1 {
		t.Errorf("the weight is %d", got)
	}
}

func TestHealth(t *testing.T) {
	for from, want := range map[v1alpha1.Health]discovery.Health{
		"": discovery.Healthy, v1alpha1.HealthHealthy: discovery.Healthy, v1alpha1.HealthDegraded: discovery.Degraded,
		v1alpha1.HealthUnhealthy: discovery.Unhealthy, v1alpha1.HealthDraining: discovery.Draining,
	} {
		object := full("192.0.2.1")
		object.Spec.Health = from
		m := machine.New(object)
		if m.Model.Health != want || m.Endpoint(80, false).Health != want {
			t.Errorf("%q is %v", from, m.Model.Health)
		}
	}
}

func TestPort(t *testing.T) {
	m := machine.New(full("192.0.2.1"))
	if web, admin, none := m.Port("web"), m.Port("admin"), m.Port("grpc"); web != 8080 || admin != 9090 || none != 0 {
		t.Errorf("the ports are %d, %d and %d", web, admin, none)
	}
}

// TestEndpointAddresses: the first address of each family that the object lists counts.
func TestEndpointAddresses(t *testing.T) {
	const none = "[]"
	for _, c := range []struct {
		addresses         []v1alpha1.IPAddress
		preferIPv6        bool
		first, additional string
	}{
		{[]v1alpha1.IPAddress{"192.0.2.9", "192.0.2.1"}, false, "192.0.2.9:80", none},
		{[]v1alpha1.IPAddress{"192.0.2.9", "192.0.2.1"}, true, "192.0.2.9:80", none},
		{[]v1alpha1.IPAddress{"2001:db8::2", "2001:db8::1"}, false, "[2001:db8::2]:80", none},
		{[]v1alpha1.IPAddress{"2001:db8::2", "192.0.2.9"}, false, "192.0.2.9:80", "[[2001:db8::2]:80]"},
		{[]v1alpha1.IPAddress{"192.0.2.9", "2001:db8::2"}, true, "[2001:db8::2]:80", "[192.0.2.9:80]"},
		{[]v1alpha1.IPAddress{"nonsense", "192.0.2.9"}, false, "192.0.2.9:80", none},
	} {
		e := machine.New(full(c.addresses...)).Endpoint(80, c.preferIPv6)
		if got := e.Address.String(); got != c.first || fmt.Sprint(e.Additional) != c.additional {
			t.Errorf("%v, IPv6 preferred %t: at %s, then %v", c.addresses, c.preferIPv6, got, e.Additional)
		}
	}
}

func TestEndpointIsTheWorkloads(t *testing.T) {
	m := machine.New(full("192.0.2.1"))
	want := discovery.Endpoint{
		Address: netip.MustParseAddrPort("192.0.2.1:8080"), Workload: m.Model.ID, Network: "dmz",
		Locality: m.Model.Locality, Weight: 7, Health: discovery.Degraded,
	}
	if got := m.Endpoint(8080, false); !got.Equal(&want) {
		t.Errorf("it is\n%+v, not\n%+v", got, want)
	}
}

func TestEqual(t *testing.T) {
	m := machine.New(full("192.0.2.1", "192.0.2.2"))
	if !m.Equal(machine.New(full("192.0.2.1", "192.0.2.2"))) {
		t.Error("equal objects make machines that differ")
	}
	var none *machine.Machine
	if m.Equal(none) || none.Equal(m) || !none.Equal(nil) {
		t.Error("no machine equals one, or not itself")
	}
	for what, change := range map[string]func(*v1alpha1.WorkloadSpec){
		"order of addresses": func(s *v1alpha1.WorkloadSpec) { s.Addresses[0], s.Addresses[1] = s.Addresses[1], s.Addresses[0] },
		"port":               func(s *v1alpha1.WorkloadSpec) { s.Ports[0].Port = 1 },
		"weight":             func(s *v1alpha1.WorkloadSpec) { s.Weight = nil },
		"network":            func(s *v1alpha1.WorkloadSpec) { s.Network = "" },
	} {
		object := full("192.0.2.1", "192.0.2.2")
		change(&object.Spec)
		if m.Equal(machine.New(object)) {
			t.Errorf("another %s makes no difference", what)
		}
	}
}
