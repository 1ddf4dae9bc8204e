package replicas_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/replica"
)

// TestWaitReturnsWhenTheChangeIsEverywhere: each time it returns, an Envoy at either server has what was written.
func TestWaitReturnsWhenTheChangeIsEverywhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.a.start(t)
	r.b.start(t)
	r.sidecar(t, "server", r.a.xds)
	client := r.sidecar(t, "client", r.b.xds)
	known := map[string]bool{r.arrived(t): true}
	var ports []int
	for n := range 8 {
		ports = append(ports, port+n+1)
		r.Put(t, "client.yaml", clientYAML(ports...))
		revision := r.arrived(t)
		if known[revision] {
			t.Errorf("revision %s has been there before", revision)
		}
		known[revision] = true
		// What wait said is so now, not a little later.
		text, err := client.Admin(t.Context(), "GET", "/config_dump?resource=dynamic_listeners")
		if err != nil {
			t.Fatal(err)
		}
		if address := r.Addr(clientHost, ports[n]); !strings.Contains(string(text), "explicit_"+strings.ReplaceAll(address, ":", "_")) {
			t.Errorf("revision %s is said to be everywhere, and the Envoy knows nothing of %s", revision, address)
		}
		// Either server can be asked for what has been.
		if _, err := r.wait(t, r.DataDir(), revision); err != nil {
			t.Error(err)
		}
	}
}

// TestWaitNamesWhoHasNotAnswered: a proxy that takes no time is waited for, by name, until it goes on.
func TestWaitNamesWhoHasNotAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.a.start(t)
	r.b.start(t)
	r.sidecar(t, "server", r.a.xds)
	client := r.sidecar(t, "client", r.b.xds)
	r.arrived(t)
	signal(t, client.PID(), syscall.SIGSTOP)
	defer signal(t, client.PID(), syscall.SIGCONT)
	r.Put(t, "client.yaml", clientYAML(port, port+1))
	text, err := r.wait(t, r.DataDir(), "--timeout", "4s")
	if err == nil {
		t.Fatalf("it did not wait: %s", text)
	}
	for _, want := range []string{
		"1 of 2 proxies have it; waits for test/client (replica b: has 1 to acknowledge)", "not everywhere after 4s: waits for test/client",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	signal(t, client.PID(), syscall.SIGCONT)
	r.arrived(t)
	// That it had all this before it was changed is no answer to the change being taken back.
	signal(t, client.PID(), syscall.SIGSTOP)
	r.Put(t, "client.yaml", clientYAML(port))
	if _, err := r.wait(t, r.DataDir(), "--timeout", "1s"); err == nil {
		t.Error("it did not wait for the change that was taken back")
	}
	signal(t, client.PID(), syscall.SIGCONT)
	r.arrived(t)
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Error(err)
	}
}

// TestWaitNamesWhoRefuses: an Envoy cannot bind an address that the machine does not have, and nobody but it can know that.
func TestWaitNamesWhoRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.a.start(t)
	r.b.start(t)
	r.sidecar(t, "server", r.a.xds)
	r.sidecar(t, "client", r.b.xds)
	r.arrived(t)
	r.Put(t, "client.yaml", clientYAML(port)+"    - {address: 192.0.2.1, port: 18999, service: {name: server, port: 80}}\n")
	_, err := r.wait(t, r.DataDir())
	if err == nil || !strings.Contains(err.Error(), "refused by 1 proxy: test/client") || !strings.Contains(err.Error(), "next: outrigger proxy test/client") {
		t.Errorf("it ended with %v", err)
	}
	text, err := r.wait(t, r.DataDir(), "-o", "json")
	if err == nil {
		t.Error("it was satisfied the second time")
	}
	var v replica.Verdict
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if v.State != replica.RevisionRefused || v.Proxies != 2 || v.Acknowledged != 1 || len(v.Refused) != 1 {
		t.Fatalf("verdict %+v", v)
	}
	refused := v.Refused[0]
	if refused.Replica != "b" || refused.Type != "listener" || refused.Owner != "ProxyConfig test/client" || !strings.Contains(refused.Error, "cannot bind") {
		t.Errorf("refused %+v", refused)
	}
	r.Put(t, "client.yaml", clientYAML(port))
	r.arrived(t)
}

// TestReplicasOnOtherMachines: servers with copies of one authority tell each other over --peer, and when one of them is
// away nobody takes its proxies for gone, or its silence for an answer.
func TestReplicasOnOtherMachines(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	far := filepath.Join(r.Dir(), "far")
	peerA, peerB := r.Addr(hostA, 18012), r.Addr(hostB, 18012)
	r.a = r.server("main", hostA, "--peer-listen", peerA, "--peer", peerB)
	r.a.start(t)
	if err := os.Mkdir(far, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"authority.pem", "token.key"} {
		key, err := os.ReadFile(filepath.Join(r.DataDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(far, name), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.wait(t, r.DataDir(), "--timeout", "1s"); err == nil || !strings.Contains(err.Error(), "replica "+peerB+" (does not answer") {
		t.Errorf("without the other server: %v", err)
	}
	r.b = r.server("b", hostB, "--data-dir", far, "--peer-listen", peerB, "--peer", peerA)
	r.b.dataDir = far
	r.b.start(t)
	r.sidecar(t, "server", r.a.xds)
	r.sidecar(t, "client", r.b.xds)
	if here, there := r.arrived(t), mustWait(t, r, far); here != there {
		t.Errorf("one says that revision %s is everywhere, the other %s", here, there)
	}
	for _, dir := range []string{r.DataDir(), far} {
		proxies := r.proxies(t, dir)
		if len(proxies.Replicas) != 2 || proxies.Replicas[1].State != replica.StateUp {
			t.Errorf("replicas %+v", proxies.Replicas)
		}
		for _, p := range proxies.Proxies {
			if p.State != debug.StateSynced || len(p.Streams) != 1 {
				t.Errorf("%s is %s with streams %+v", p.Name, p.State, p.Streams)
			}
		}
	}

	r.b.process.Kill()
	proxies := r.proxies(t, r.DataDir())
	if got := proxies.Replicas[1]; got.State != replica.StateAway || got.Name != "b" || got.Address != peerB || got.Error == "" || got.Revision == "" {
		t.Errorf("the server that is away: %+v", got)
	}
	for _, p := range proxies.Proxies {
		if want := map[string]string{"test/client": debug.StateUnknown, "test/server": debug.StateSynced}[p.Name]; p.State != want {
			t.Errorf("%s is %s, want %s", p.Name, p.State, want)
		}
	}
	if _, err := r.wait(t, r.DataDir(), "--timeout", "1s"); err == nil || !strings.Contains(err.Error(), "replica b (does not answer") {
		t.Errorf("with the other server away: %v", err)
	}
	began := time.Now()
	r.b.launch(t)
	if _, err := r.wait(t, r.DataDir()); err != nil {
		t.Errorf("%s after the other server had come back: %v", time.Since(began), err)
	}
}

func mustWait(t *testing.T, r *rigged, dir string) string {
	t.Helper()
	text, err := r.wait(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func (r *rigged) proxies(t *testing.T, dir string) replica.Proxies {
	t.Helper()
	text, err := r.Outrigger(t.Context(), "proxies", "--data-dir", dir, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var proxies replica.Proxies
	if err := json.Unmarshal([]byte(text), &proxies); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return proxies
}

// TestSilentPeerHoldsNobodyUp: a machine that takes connections and says nothing is away, and all else is told in time.
func TestSilentPeerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.Addr(3, 18012))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r.a = r.server("main", hostA, "--peer", silent.Addr().String())
	r.a.start(t)
	began := time.Now()
	proxies := r.proxies(t, r.DataDir())
	if len(proxies.Proxies) != 2 || proxies.Replicas[1].State != replica.StateAway {
		t.Errorf("proxies %+v", proxies)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
