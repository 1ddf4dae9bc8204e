package consul

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/mirror"
)

func TestConfigIsChecked(t *testing.T) {
	good := Config{Address: "https://consul.example.com:8501", Logger: slog.New(slog.DiscardHandler)}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Config){
		"logger": func(c *Config) { c.Logger = nil }, "address": func(c *Config) { c.Address = "" },
		"address \"consul": func(c *Config) { c.Address = "consul:8500" }, "address \"unix": func(c *Config) { c.Address = "unix:///sock" },
		"address \"https": func(c *Config) { c.Address = "https://user:secret@consul:8501" },
		"peer \"\"":       func(c *Config) { c.Peers = []Peer{{Services: []string{"cart"}}} },
		"peer \"west\"":   func(c *Config) { c.Peers = []Peer{{Name: "west", Services: []string{""}}} },
	} {
		bad := good
		change(&bad)
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestSourceID(t *testing.T) {
	for _, test := range []struct{ name, datacenter, want string }{{"a", "b", "a"}, {"", "b", "b"}, {"", "", "default"}} {
		config := Config{Name: test.name, Datacenter: test.datacenter, Address: "http://consul:8500", Logger: slog.New(slog.DiscardHandler)}
		if id := mustNew(t, config).ID(); id != (discovery.SourceID{Kind: Kind, Name: test.want}) {
			t.Errorf("%q in %q is %s", test.name, test.datacenter, id)
		}
	}
}

func TestTokenIsRedacted(t *testing.T) {
	secret := newToken("s3cret")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("token", "token", secret)
	slog.New(slog.NewTextHandler(&log, nil)).Info("token", "token", &access{token: secret})
	text, err := json.Marshal(map[string]any{"token": secret})
	if err != nil {
		t.Fatal(err)
	}
	output := fmt.Sprintf("%s %v %+v %#v %q %x %s", secret, secret, &access{token: secret}, secret, secret, secret, text) + log.String()
	if strings.Contains(output, "s3cret") || strings.Contains(output, fmt.Sprintf("%x", "s3cret")) || !strings.Contains(output, redactedText) {
		t.Errorf("it prints as %s", output)
	}
	if secret.Reveal() != "s3cret" || (token{}).Reveal() != "" {
		t.Error("it is not what it was")
	}
}

// Namespace, partition, peer and datacenter are sent where they are set, and nowhere else: servers without them refuse them.
func TestParametersAreSentWhenSet(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("consul", "server", "10.0.0.9"))
		t.Setenv("CONSUL_NAMESPACE", "of-the-environment")
		t.Setenv("CONSUL_HTTP_TOKEN", "of-the-environment")
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		for _, c := range f.callsTo(healthPath + "cart") {
			for _, key := range []string{"dc", "ns", "partition", "peer"} {
				if c.query.Has(key) {
					t.Errorf("%s is sent: %v", key, c.query)
				}
			}
			if c.token != "" {
				t.Errorf("a token is sent: %s", c.token)
			}
		}
		config := f.config()
		config.Namespace, config.Partition, config.Datacenter = "shop", "east", "dc7"
		config.Peers = []Peer{{Name: "west", Services: []string{"stock"}}}
		f.put(passing("stock", "stock-1", "10.0.1.1"))
		m = mirror.Start(t, mustNew(t, config))
		m.Await("the first state is complete", mirror.Synced)
		calls := f.callsTo(healthPath + "stock")
		var peers int
		for _, c := range calls {
			if c.query.Get("peer") == "west" {
				peers++
			}
			if c.query.Get("dc") == "dc7" && (c.query.Get("ns") != "shop" || c.query.Get("partition") != "east") {
				t.Errorf("it asked %v", c.query)
			}
		}
		if peers == 0 {
			t.Errorf("the peer's service was not asked for: %v", calls)
		}
		if !mirror.Has(ns, "stock-west", "10.0.1.1:8080")(m) || m.Services[discovery.ServiceID{Namespace: ns, Name: "stock-west"}].Registered != "stock@west" {
			t.Errorf("the peer's service is not there:\n%s", m)
		}
	})
}

// Another authority takes the place of the one before, without a restart.
func TestRootsRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		config := f.config()
		config.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		writeFile(t, config.CAFile, "no certificate")
		m := mirror.Start(t, mustNew(t, config))
		m.Await("trouble is told", mirror.Troubled)
		if !strings.Contains(m.Trouble.Error(), "ca file") {
			t.Errorf("the trouble does not name the file: %v", m.Trouble)
		}
		m.Drain(time.Minute)
		writeFile(t, config.CAFile, readFile(t, f.caFile))
		began := time.Now()
		m.Await("the first state is complete", mirror.Well)
		if waited := time.Since(began); waited > 3*DefaultRecheck {
			t.Errorf("it took %s to take the new roots", waited)
		}
		writeFile(t, config.CAFile, readFile(t, f.caFile)+"\n")
		m.Drain(3 * DefaultRecheck)
		f.put(passing("cart", "cart-2", "10.0.0.2"))
		m.Await("changes are seen", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
	})
}

// Over HTTP/1.1 what no check shows is seen by the catalog's index, and a tenth of the time goes into looking.
func TestSweepRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, true)
		for i := range 40 {
			f.put(passing(fmt.Sprintf("s-%d", i), "one", "10.0.0.1"))
		}
		f.fault = func(c call, _ http.ResponseWriter) bool {
			if strings.HasPrefix(c.path, healthPath) && c.index() == 0 {
				time.Sleep(100 * time.Millisecond) //nolint:forbidigo // In a bubble: a server that is slow.
			}
			return false
		}
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		m.Drain(time.Minute)
		f.mu.Lock()
		f.calls = nil
		f.mu.Unlock()
		bare := passing("s-7", "bare", "10.0.0.7")
		bare.Checks = api.HealthChecks{}
		f.put(bare)
		m.Await("an instance without checks is seen", mirror.Has(ns, "s-7", "10.0.0.1:8080", "10.0.0.7:8080"))
		for range 100 {
			f.set(func() { f.index++; f.indexes[""] = f.index })
			m.Drain(time.Second)
		}
		reads := 0
		for i := range 40 {
			reads += len(f.callsTo(fmt.Sprintf("%ss-%d", healthPath, i)))
		}
		// 40 reads of 100 ms, 8 at a time, are half a second: one sweep in five seconds.
		if reads < 40*15 || reads > 40*25 {
			t.Errorf("%d reads in 100 s", reads)
		}
	})
}
