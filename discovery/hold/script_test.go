package hold

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
)

var update = flag.Bool("update", false, "write testdata/out anew and remove what no script makes")

// TestScripts plays the scripts of testdata/in to a Keeper. Each line of a script is a time and what happens then:
//
//	say WORDS        the source's update: trouble, synced, and values
//	restore WORDS    the Keeper begins with these values of a last-good file
//	read SERVICE=N   a second read has these endpoints; "read SERVICE failed" is one that could not be had
//	list pods 1 2    a second list has these workloads, "list services a b" these services; "list pods failed" could not be had
//	due              time has passed
//
// A script that says "# cannot be read again" is of a source without second reads, "# cannot be listed again" of one without lists.
// Values are svc+a, svc-a, a=1,2!,3~,7@4 (endpoints of a; ! is unhealthy, ~ draining, 7@4 is pod 4 at another address), a=none, a- (the shard is gone),
// pod+1@n (the workload behind endpoint 1, on machine n), pod-1, node+n/zone, node!n/zone (not ready), node-n.
// The output repeats each line with what was sent, what is to be read again, and what is held.
func TestScripts(t *testing.T) {
	in, err := filepath.Glob("testdata/in/*.txt")
	if err != nil || len(in) == 0 {
		t.Fatal("no scripts", err)
	}
	var names []string
	for _, path := range in {
		name := filepath.Base(path)
		names = append(names, name)
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, filepath.Join("testdata/out", name), play(t, string(script)))
		})
	}
	removeOrphans(t, names)
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: there is\n%s\nand should be\n%s", path, got, want)
	}
}

func removeOrphans(t *testing.T, names []string) {
	t.Helper()
	out, _ := filepath.Glob("testdata/out/*.txt")
	for _, path := range out {
		if slices.Contains(names, filepath.Base(path)) {
			continue
		}
		if !*update {
			t.Errorf("%s belongs to no script", path)
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	testSource = discovery.SourceID{Kind: "test", Name: "one"}
	testStart  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	errTest    = errors.New("no connection")
)

func play(t *testing.T, script string) []byte {
	t.Helper()
	var out bytes.Buffer
	readable := !strings.Contains(script, "# cannot be read again")
	listed := readable && !strings.Contains(script, "# cannot be listed again")
	keeper := NewKeeper(testSource, Reads{Endpoints: readable, Services: listed, Workloads: listed})
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, line)
			continue
		}
		fmt.Fprintln(&out, line)
		words := strings.Fields(line)
		after, err := time.ParseDuration(words[0])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		now := testStart.Add(after)
		sent, ask := act(t, keeper, now, words[1:])
		fmt.Fprintf(&out, "    sent %s\n", describe(sent))
		if len(ask) > 0 {
			fmt.Fprintf(&out, "    read again %v\n", ask)
		}
		if told := describeStatus(keeper, now); told != "" {
			fmt.Fprintf(&out, "    %s\n", told)
		}
	}
	return out.Bytes()
}

// emptyUpdateOf returns an update that words can be added to.
func emptyUpdateOf(source discovery.SourceID) discovery.Update {
	s := emptyState()
	return discovery.Update{
		Source: source, Services: s.Services, Endpoints: s.Endpoints, Workloads: s.Workloads, Nodes: s.Nodes, Namespaces: s.Namespaces,
	}
}

func act(t *testing.T, k *Keeper, now time.Time, words []string) (discovery.Update, []Question) {
	t.Helper()
	if words[0] == "list" {
		return relist(t, k, now, words[1:]), nil
	}
	u := emptyUpdateOf(testSource)
	for _, word := range words[1:] {
		parseWord(t, &u, word)
	}
	switch words[0] {
	case "say":
		return k.Apply(now, u)
	case "restore":
		return k.Restore(now, testStart.Add(-time.Hour), stateOf(u)), nil
	case "read":
		if len(words) == 3 && words[2] == "failed" {
			return k.Confirmed(now, serviceOf(words[1]), nil, errors.New("no answer")), nil
		}
		for id, set := range u.Endpoints {
			return k.Confirmed(now, id.Service, set, nil), nil
		}
	case "due":
		return k.Due(now)
	}
	t.Fatalf("%v is no step", words)
	return u, nil
}

func stateOf(u discovery.Update) State {
	return State{Services: u.Services, Endpoints: u.Endpoints, Workloads: u.Workloads, Nodes: u.Nodes, Namespaces: u.Namespaces}
}

// relist tells a second list: what it is of, and what it has.
func relist(t *testing.T, k *Keeper, now time.Time, words []string) discovery.Update {
	t.Helper()
	var err error
	names := words[1:]
	if slices.Equal(names, []string{"failed"}) {
		names, err = nil, errors.New("no answer")
	}
	switch words[0] {
	case "pods":
		return k.ConfirmedWorkloads(now, mapped(names, workloadOf), err)
	case "services":
		return k.ConfirmedServices(now, mapped(names, serviceOf), err)
	}
	t.Fatalf("%v is no list", words)
	return discovery.Update{}
}

func mapped[T any](names []string, of func(string) T) []T {
	values := make([]T, 0, len(names))
	for _, name := range names {
		values = append(values, of(name))
	}
	return values
}

func serviceOf(name string) discovery.ServiceID {
	return discovery.ServiceID{Namespace: "shop", Name: name}
}

func shardOf(name string) discovery.ShardID {
	return discovery.ShardID{Service: serviceOf(name), Source: testSource}
}

func workloadOf(number string) discovery.WorkloadID {
	return discovery.WorkloadID{Namespace: "shop", Name: "pod-" + number}
}

func parseWord(t *testing.T, u *discovery.Update, word string) {
	t.Helper()
	locality := func(text string) (string, discovery.Locality) {
		name, zone, _ := strings.Cut(text, "/")
		return name, discovery.Locality{Zone: zone}
	}
	switch {
	case word == "trouble":
		u.Trouble = errors.New("no connection")
	case word == "synced":
		u.Synced = true
	case word == "failed":
	case strings.HasPrefix(word, "svc+"):
		id := serviceOf(word[4:])
		u.Services[id] = &discovery.Service{ID: id, Ports: []discovery.ServicePort{{Port: 80}}}
	case strings.HasPrefix(word, "svc-"):
		u.Services[serviceOf(word[4:])] = nil
	case strings.HasPrefix(word, "pod+"):
		number, place, _ := strings.Cut(word[4:], "@")
		node, where := locality(place)
		u.Workloads[workloadOf(number)] = &discovery.Workload{
			ID: workloadOf(number), Node: node, Locality: where, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0." + number)},
		}
	case strings.HasPrefix(word, "pod-"):
		u.Workloads[workloadOf(word[4:])] = nil
	case strings.HasPrefix(word, "ns-"):
		u.Namespaces[word[3:]] = nil
	case strings.HasPrefix(word, "ns+"), strings.HasPrefix(word, "ns~"):
		u.Namespaces[word[3:]] = &discovery.Namespace{Name: word[3:], Terminating: word[2] == '~'}
	case strings.HasPrefix(word, "node-"):
		u.Nodes[word[5:]] = nil
	case strings.HasPrefix(word, "node+"), strings.HasPrefix(word, "node!"):
		name, where := locality(word[5:])
		u.Nodes[name] = &discovery.Node{Name: name, Ready: word[4] == '+', Locality: where}
	case strings.HasSuffix(word, "-"):
		u.Endpoints[shardOf(strings.TrimSuffix(word, "-"))] = nil
	case strings.Contains(word, "="):
		name, list, _ := strings.Cut(word, "=")
		u.Endpoints[shardOf(name)] = setOf(name, list)
	default:
		// A service without endpoints, of a read that failed.
		u.Endpoints[shardOf(word)] = nil
	}
}

// setOf makes the endpoints of "1,2!,3~".
func setOf(name, list string) *discovery.EndpointSet {
	port := discovery.PortEndpoints{Port: 80}
	if list != "none" {
		for word := range strings.SplitSeq(list, ",") {
			number, pod, moved := strings.Cut(strings.TrimRight(word, "!~"), "@")
			if !moved {
				pod = number
			}
			e := discovery.Endpoint{
				Address: netip.MustParseAddrPort("10.0.0." + number + ":8080"), Workload: workloadOf(pod), Weight: 1,
			}
			switch {
			case strings.HasSuffix(word, "!"):
				e.Health = discovery.Unhealthy
			case strings.HasSuffix(word, "~"):
				e.Health = discovery.Draining
			}
			port.Endpoints = append(port.Endpoints, e)
		}
	}
	slices.SortFunc(port.Endpoints, func(a, b discovery.Endpoint) int { return a.Address.Compare(b.Address) })
	return &discovery.EndpointSet{ID: shardOf(name), Ports: []discovery.PortEndpoints{port}}
}

func describe(u discovery.Update) string {
	var words []string
	if u.Synced {
		words = append(words, "synced")
	}
	if u.Trouble != nil {
		words = append(words, fmt.Sprintf("trouble(%v)", u.Trouble))
	}
	for _, id := range slices.SortedFunc(maps.Keys(u.Services), discovery.ServiceID.Compare) {
		words = append(words, sign("svc", u.Services[id] != nil)+id.Name)
	}
	for _, id := range slices.SortedFunc(maps.Keys(u.Endpoints), func(a, b discovery.ShardID) int { return a.Service.Compare(b.Service) }) {
		words = append(words, id.Service.Name+describeSet(u.Endpoints[id]))
	}
	for _, id := range slices.SortedFunc(maps.Keys(u.Workloads), discovery.WorkloadID.Compare) {
		words = append(words, sign("pod", u.Workloads[id] != nil)+strings.TrimPrefix(id.Name, "pod-"))
	}
	for _, name := range slices.Sorted(maps.Keys(u.Nodes)) {
		words = append(words, sign("node", u.Nodes[name] != nil)+name)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Namespaces)) {
		if namespace := u.Namespaces[name]; namespace != nil && namespace.Terminating {
			words = append(words, "ns~"+name)
			continue
		}
		words = append(words, sign("ns", u.Namespaces[name] != nil)+name)
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, " ")
}

func sign(what string, there bool) string {
	if there {
		return what + "+"
	}
	return what + "-"
}

func describeSet(set *discovery.EndpointSet) string {
	if set == nil {
		return "-"
	}
	var numbers []string
	for _, port := range set.Ports {
		for _, e := range port.Endpoints {
			number := strconv.Itoa(int(e.Address.Addr().As4()[3]))
			numbers = append(numbers, number+map[discovery.Health]string{discovery.Unhealthy: "!", discovery.Draining: "~"}[e.Health])
		}
	}
	if len(numbers) == 0 {
		return "=none"
	}
	return "=" + strings.Join(numbers, ",")
}

func describeStatus(k *Keeper, now time.Time) string {
	s := k.Status()
	var words []string
	if s.Holding() {
		words = append(words, fmt.Sprintf("holds (%s)", s.Reason))
		for _, service := range s.Services {
			words = append(words, fmt.Sprintf("%s:%d/%d", service.ID.Name, service.Endpoints, service.Total))
			if service.Gone {
				words = append(words, service.ID.Name+" itself")
			}
		}
		words = append(words, fmt.Sprintf("pods:%d nodes:%d", s.Workloads, s.Nodes))
		if s.Namespaces > 0 {
			words = append(words, fmt.Sprintf("namespaces:%d", s.Namespaces))
		}
		if at, some := k.Deadline(now); some {
			words = append(words, "until "+at.Sub(testStart).String())
		}
	}
	if s.Counts != (Counts{}) {
		c := s.Counts
		words = append(words, fmt.Sprintf("[saved %d, dead %d (%s)]", c.Saved, c.Dead, c.Longest))
	}
	return strings.Join(words, " ")
}
