package hold

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

const testMesh = "example.org"

func newTestFile(t *testing.T, path string) *File {
	t.Helper()
	f, err := NewFile(FileConfig{Path: path, Mesh: testMesh, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// drawFilled fills every field that a model value has, so that one which the format forgets is noticed.
func drawFilled[V any](t *rapid.T, constant map[reflect.Type]func(*rapid.T) reflect.Value) *V {
	value := new(V)
	fill(t, reflect.ValueOf(value).Elem(), constant)
	return value
}

func fill(t *rapid.T, v reflect.Value, constant map[reflect.Type]func(*rapid.T) reflect.Value) {
	if fixed, known := constant[v.Type()]; known {
		v.Set(fixed(t))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, constant)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), constant)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), constant)
	case reflect.Map:
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, constant)
		fill(t, element, constant)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, element)
	case reflect.String:
		v.SetString(rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "string"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(rapid.Uint64Range(1, 200).Draw(t, "number"))
	default:
		t.Fatalf("a %s cannot be filled", v.Type())
	}
}

// TestFileRoundTrip writes values with every field set and reads them.
func TestFileRoundTrip(t *testing.T) {
	of := func(value any) func(*rapid.T) reflect.Value {
		return func(*rapid.T) reflect.Value { return reflect.ValueOf(value) }
	}
	constant := map[reflect.Type]func(*rapid.T) reflect.Value{
		reflect.TypeFor[discovery.Distribution](): of(discovery.PreferSameNode),
		reflect.TypeFor[discovery.Protocol]():     of(discovery.TLS),
		reflect.TypeFor[discovery.Health]():       of(discovery.Draining),
	}
	address := func(t *rapid.T) byte { return rapid.Byte().Draw(t, "byte") }
	constant[addrType] = func(t *rapid.T) reflect.Value { return reflect.ValueOf(testAddr(address(t))) }
	constant[addrPortType] = func(t *rapid.T) reflect.Value { return reflect.ValueOf(testAddrPort(address(t))) }
	rapid.Check(t, func(t *rapid.T) {
		state := emptyState()
		service := drawFilled[discovery.Service](t, constant)
		state.Services[service.ID] = service
		set := drawFilled[discovery.EndpointSet](t, constant)
		set.ID.Source = testSource
		state.Endpoints[set.ID] = set
		workload := drawFilled[discovery.Workload](t, constant)
		state.Workloads[workload.ID] = workload
		node := drawFilled[discovery.Node](t, constant)
		state.Nodes[node.Name] = node
		namespace := drawFilled[discovery.Namespace](t, constant)
		state.Namespaces[namespace.Name] = namespace

		data, err := encode(content{Mesh: testMesh, Sources: []savedSource{saveSource(testSource, testStart, state)}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := decode(data, testMesh)
		if err != nil {
			t.Fatal(err)
		}
		read, err := c.Sources[0].restore()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(read, state) {
			t.Fatalf("%+v was written and %+v read", state, read)
		}
	})
}

// TestFileKeepsState writes what a source and one of policies say, and begins with it again.
func TestFileKeepsState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "last-good.json")
	synctest.Test(t, func(t *testing.T) {
		file := newTestFile(t, path)
		if err := file.Load(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		source, policies := newFakeSource(), &fakePolicies{updates: make(chan compile.Update)}
		r := start(t, source, source.updates, Config{File: file})
		p, err := NewPolicies(PoliciesConfig{Source: policies, ID: testSource, Logger: slog.New(slog.DiscardHandler), File: file})
		if err != nil {
			t.Fatal(err)
		}
		out, policiesEnd := make(chan compile.Update), make(chan error, 1)
		go func() { policiesEnd <- p.Run(ctx, out) }()
		go func() { ended <- file.Run(ctx) }()
		r.say("synced svc+cart cart=1,2 pod+1@n1 node+n1/a ns+shop")
		<-r.out
		synced := peers("a")
		synced.Synced = true
		policies.updates <- synced
		<-out
		synctest.Wait()
		// A burst is written once, and what is left at the end.
		r.say("cart=1,2,3")
		<-r.out
		r.say("trouble cart=1")
		<-r.out
		r.close()
		stop()
		if err := <-policiesEnd; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file is %v, %v", info, err)
	}
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of the writing is left: %v", err)
	}
	restoredFrom(t, path)
}

func restoredFrom(t *testing.T, path string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		file := newTestFile(t, path)
		if err := file.Load(); err != nil {
			t.Fatal(err)
		}
		source := newFakeSource()
		r := start(t, source, source.updates, Config{File: file})
		defer r.close()
		u := <-r.out
		if got := describe(discovery.Update{
			Synced: u.Synced, Services: u.Services, Endpoints: u.Endpoints, Workloads: u.Workloads, Nodes: u.Nodes, Namespaces: u.Namespaces,
		}); got != "synced svc+cart cart=1,2,3 pod+1 node+n1 ns+shop" || u.Trouble == nil {
			t.Errorf("%q was sent, trouble %v", got, u.Trouble)
		}
		if s := r.held.Status(); s.Reason != FromFile || s.LastGood.IsZero() || s.Endpoints != 3 {
			t.Errorf("the status is %+v", s)
		}
		r.say("synced svc+cart cart=1,2,3,4 pod+1@n1 node+n1/a ns+shop")
		r.demand("cart=1,2,3,4")
		p, err := NewPolicies(PoliciesConfig{Source: &fakePolicies{}, ID: testSource, Logger: slog.New(slog.DiscardHandler), File: file})
		if err != nil {
			t.Fatal(err)
		}
		if !p.first.Synced || p.first.Trouble == nil || describePeers(*p.first) != "a" ||
			p.first.Objects.AuthenticationPolicies[peer("a")].Spec.Peer.Mode != v1alpha1.MTLSStrict {
			t.Errorf("%+v is restored", p.first)
		}
	})
}

// TestFileFormat keeps the format: a file of a release is read by the next one.
func TestFileFormat(t *testing.T) {
	state := emptyState()
	service := &discovery.Service{
		ID: serviceOf("cart"), Origin: discovery.Origin{Kind: "Service", Location: "4711"}, VIPs: []netip.Addr{testAddr(200)},
		Ports: []discovery.ServicePort{{Port: 80, Name: "http", Protocol: discovery.HTTP}}, Distribution: discovery.PreferSameZone,
		Join: &discovery.Join{Kind: "consul", Name: "cart"},
	}
	state.Services[service.ID] = service
	set := setOf("cart", "1,2~")
	set.Ports[0].Hosts = []discovery.Host{{Name: "cart.example", Port: 8080, Weight: 1}}
	state.Endpoints[set.ID] = set
	workload := &discovery.Workload{
		ID: workloadOf("1"), Addresses: []netip.Addr{testAddr(1)}, Labels: map[string]string{"app": "cart"}, ServiceAccount: "cart",
		Sidecar: true, UID: "7c9d", Node: "n1", HostNetwork: true, Locality: discovery.Locality{Region: "r", Zone: "a"},
	}
	state.Workloads[workload.ID] = workload
	state.Nodes["n1"] = &discovery.Node{Name: "n1", Ready: true}
	state.Namespaces["shop"] = &discovery.Namespace{Name: "shop", Labels: map[string]string{"team": "a"}, Terminating: true}
	data := encoded(t, content{
		Mesh: testMesh, Written: testStart, Sources: []savedSource{saveSource(testSource, testStart, state)},
		Policies: []savedPolicies{savePolicies(testSource, testStart, peers("a").Objects)},
	})
	path := filepath.Join("testdata", "last-good.json")
	if *update {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data != string(want) {
		t.Errorf("there is\n%s\nand should be\n%s", data, want)
	}
	c, err := decode(want, testMesh)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := c.Sources[0].restore(); err != nil || !sameState(read, state) {
		t.Errorf("%+v is read, %v", read, err)
	}
}

// TestFilePauses changes something every second for a minute: the file is written every five.
func TestFilePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := newTestFile(t, filepath.Join(t.TempDir(), "last-good.json"))
		writes := 0
		file.keepSource(testSource, func() (savedSource, bool) { writes++; return savedSource{}, true })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- file.Run(ctx) }()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for range 60 {
			file.dirty()
			<-tick.C
		}
		synctest.Wait()
		if writes != 13 {
			t.Errorf("it was written %d times", writes)
		}
		file.dirty()
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		if writes != 14 {
			t.Errorf("what was left at the end is not written")
		}
	})
}

// TestFileKeepsTheSilent has sources in the file that do not tell anything after a restart, or are not configured.
func TestFileKeepsTheSilent(t *testing.T) {
	file := newTestFile(t, filepath.Join(t.TempDir(), "last-good.json"))
	other, old := discovery.SourceID{Kind: "consul", Name: "dc1"}, discovery.SourceID{Kind: "consul", Name: "dc2"}
	for id, age := range map[discovery.SourceID]time.Duration{testSource: 0, other: time.Hour, old: 2 * unasked} {
		saved := saveSource(id, testStart.Add(-age), emptyState())
		file.sources.loaded[id] = &saved
	}
	if c := file.gather(testStart); len(c.Sources) != 2 || c.Sources[0].Name != "dc1" || c.Sources[1].Name != "one" {
		t.Errorf("%+v is written", c.Sources)
	}
	told := false
	file.keepSource(other, func() (savedSource, bool) { return saveSource(other, testStart, emptyState()), told })
	if c := file.gather(testStart); len(c.Sources) != 2 || !c.Sources[0].GoodUntil.Equal(testStart.Add(-time.Hour)) {
		t.Errorf("before it told anything %+v is written", c.Sources)
	}
	told = true
	if c := file.gather(testStart); len(c.Sources) != 2 || !c.Sources[0].GoodUntil.Equal(testStart) {
		t.Errorf("after it told its state %+v is written", c.Sources)
	}
	file.Forget(other)
	if c := file.gather(testStart); len(c.Sources) != 1 {
		t.Errorf("after it was forgotten %+v is written", c.Sources)
	}
}

// TestFileIsRefused names why, moves the file aside, and goes on without.
func TestFileIsRefused(t *testing.T) {
	good, err := encode(content{Mesh: testMesh, Sources: []savedSource{saveSource(testSource, testStart, emptyState())}})
	if err != nil {
		t.Fatal(err)
	}
	bad := func(shards ...savedShard) string {
		data, err := encode(content{Mesh: testMesh, Sources: []savedSource{{Kind: "test", Name: "one", Endpoints: shards}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	cart := savedShard{Namespace: "shop", Name: "cart"}
	for name, test := range map[string]struct{ data, want string }{
		"empty":            {"", "damaged"},
		"cut":              {string(good[:len(good)/2]), "damaged"},
		"another file":     {`{"apiVersion": "v1"}`, "not such a file"},
		"a changed byte":   {strings.Replace(string(good), `"one"`, `"two"`, 1), "checksum"},
		"a newer version":  {strings.Replace(string(good), `"version":1`, `"version":2`, 1), "version is 2"},
		"an older version": {strings.Replace(string(good), `"version":1`, `"version":0`, 1), "version is 0"},
		"no version":       {strings.Replace(string(good), `"version":1,`, ``, 1), "version is 0"},
		"a newer field":    {wrappedText(`{"mesh":"example.org","sources":[{"kind":"test","name":"one","workloads":[{"namespace":"a","name":"b","later":1}]}]}`), `"later"`},
		"a newer policy": {wrappedText(`{"mesh":"example.org","policies":[{"kind":"policies","name":"one",
			"authenticationPolicies":[{"kind":"AuthenticationPolicy","name":"a","object":{"spec":{"later":{}}}}]}]}`), `"later"`},
		"another mesh": {encoded(t, content{Mesh: "example.com"}), `mesh "example.com"`},
		"twice":        {bad(cart, cart), "twice"},
		"no weight":    {bad(savedShard{Ports: []savedEndpoints{{Port: 80, Endpoints: []savedEndpoint{{Address: testAddrPort(1)}}}}}), "weight"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "last-good.json")
			if err := os.WriteFile(path, []byte(test.data), 0o600); err != nil {
				t.Fatal(err)
			}
			file := newTestFile(t, path)
			if err := file.Load(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Load returned %v", err)
			}
			if _, _, some := file.state(testSource); some {
				t.Error("there is a state all the same")
			}
			if aside, err := os.ReadFile(path + ".refused"); err != nil || string(aside) != test.data {
				t.Errorf("the file is not kept aside: %v", err)
			}
		})
	}
}

// wrappedText puts a content into a file of the known version.
func wrappedText(content string) string { return string(wrapped([]byte(content))) }

// TestFileOfBefore reads a file that was written before fields were added: what it does not say is not so.
func TestFileOfBefore(t *testing.T) {
	c, err := decode(wrapped([]byte(`{"mesh":"example.org","written":"2026-01-01T00:00:00Z","sources":[{"kind":"test","name":"one",
		"services":[{"namespace":"shop","name":"cart","ports":[{"port":80}]}],
		"endpoints":[{"namespace":"shop","name":"cart","ports":[{"port":80,"endpoints":[{"address":"10.0.0.1:8080","weight":1}]}]}],
		"workloads":[{"namespace":"shop","name":"pod-1","addresses":["10.0.0.1"]}]}]}`)), testMesh)
	if err != nil {
		t.Fatal(err)
	}
	read, err := c.Sources[0].restore()
	if err != nil {
		t.Fatal(err)
	}
	want := emptyState()
	want.Services[serviceOf("cart")] = &discovery.Service{ID: serviceOf("cart"), Ports: []discovery.ServicePort{{Port: 80}}}
	set := setOf("cart", "1")
	set.Ports[0].Endpoints[0].Workload = discovery.WorkloadID{}
	want.Endpoints[set.ID] = set
	want.Workloads[workloadOf("1")] = &discovery.Workload{ID: workloadOf("1"), Addresses: []netip.Addr{testAddr(1)}}
	if !reflect.DeepEqual(read, want) {
		t.Errorf("%+v is read, and not %+v", read, want)
	}
}

func encoded(t *testing.T, c content) string {
	t.Helper()
	data, err := encode(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestFileThatCannotBeWritten is tried again.
func TestFileThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	synctest.Test(t, func(t *testing.T) {
		file := newTestFile(t, filepath.Join(dir, "last-good.json"))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- file.Run(ctx) }()
		file.dirty()
		synctest.Wait()
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		pause := time.NewTimer(DefaultInterval)
		<-pause.C
		synctest.Wait()
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	if _, err := os.Stat(filepath.Join(dir, "last-good.json")); err != nil {
		t.Error(err)
	}
}

// FuzzLastGood reads any content, with a good checksum: what is accepted comes out again as it is.
func FuzzLastGood(f *testing.F) {
	full := saveSource(testSource, testStart, State{
		Services:  map[discovery.ServiceID]*discovery.Service{serviceOf("cart"): {ID: serviceOf("cart"), Ports: []discovery.ServicePort{{Port: 80}}}},
		Endpoints: map[discovery.ShardID]*discovery.EndpointSet{shardOf("cart"): setOf("cart", "1,2!,3~")},
	})
	data, err := encode(content{Mesh: testMesh, Sources: []savedSource{full}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, false)
	f.Add([]byte(`{"mesh":"example.org","policies":[{"kind":"kubernetes","name":"one","meshConfigs":[{"name":"default","object":{}}]}]}`), true)
	f.Add([]byte(`{"mesh":"example.org","sources":[{"workloads":[{"namespace":"a","name":"b","addresses":["::1"]}]}]}`), true)
	f.Fuzz(func(t *testing.T, data []byte, wrap bool) {
		if wrap {
			data = wrapped(data)
		}
		c, err := decode(data, testMesh)
		if err != nil || check(c) != nil {
			return
		}
		for i := range c.Sources {
			state, err := c.Sources[i].restore()
			if err != nil {
				t.Fatal(err)
			}
			saved := saveSource(c.Sources[i].id(), c.Sources[i].GoodUntil, state)
			again, err := saved.restore()
			if err != nil || !sameState(again, state) {
				t.Fatalf("%+v came out as %+v, %v", state, again, err)
			}
		}
		for i := range c.Policies {
			c.Policies[i].restore()
		}
	})
}
