package bootstrap_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/xds"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/xds/bootstrap"
	"outrigger.dev/outrigger/xds/translate"
)

func cartProgram() bootstrap.GRPCConfig {
	return bootstrap.GRPCConfig{Namespace: "shop", Workload: "cart-1", ServiceAccount: "cart", Server: "xds.example.org:15010", Dir: "/etc/cart"}
}

// TestGRPC: the text is as it was reviewed, gRPC takes it, and it names what the translator names.
func TestGRPC(t *testing.T) {
	t.Parallel()
	got, err := bootstrap.GRPC(cartProgram())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "grpc.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s should be\n%s", file, got)
	}
	if _, err := xds.NewXDSResolverWithConfigForTesting(got); err != nil {
		t.Errorf("gRPC: %v", err)
	}
	for _, name := range []string{certs.CertificateFile, certs.KeyFile, certs.RootsFile} {
		if strings.Count(string(got), `"/etc/cart/`+name+`"`) != 2 {
			t.Errorf("outrigger certificate writes %s", name)
		}
	}
	var parsed struct {
		Providers map[string]json.RawMessage `json:"certificate_providers"`
		Template  string                     `json:"server_listener_resource_name_template"`
	}
	if err := json.Unmarshal(got, &parsed); err != nil {
		t.Fatal(err)
	}
	if parsed.Providers[translate.CertificateProvider] == nil || parsed.Template != translate.GRPCServerTemplate {
		t.Errorf("the translator speaks of provider %q and listener %q", translate.CertificateProvider, translate.GRPCServerTemplate)
	}
}

func TestGRPCNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	_, err := bootstrap.GRPC(bootstrap.GRPCConfig{Namespace: "Shop", Workload: "", ServiceAccount: "-", Server: "nowhere", Dir: "relative"})
	for _, field := range []string{"namespace", "workload", "service account", "server", "folder"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name the %s: %v", field, err)
		}
	}
}

// TestGRPCReplicas: gRPC turns to the second server when the first cannot be reached.
func TestGRPCReplicas(t *testing.T) {
	t.Parallel()
	c := cartProgram()
	c.Further = []string{"10.0.0.2:15010"}
	got, err := bootstrap.GRPC(c)
	if err != nil {
		t.Fatal(err)
	}
	first, second := strings.Index(string(got), "dns:///xds.example.org:15010"), strings.Index(string(got), "dns:///10.0.0.2:15010")
	if first < 0 || second < first {
		t.Errorf("servers are not in order:\n%s", got)
	}
	if _, err := xds.NewXDSResolverWithConfigForTesting(got); err != nil {
		t.Errorf("gRPC: %v", err)
	}
}

func TestGRPCAddresses(t *testing.T) {
	t.Parallel()
	for server, uri := range map[string]string{"[fd00::1]:15010": "dns:///[fd00::1]:15010", "10.0.0.1:15010": "dns:///10.0.0.1:15010"} {
		c := cartProgram()
		c.Server = server
		got, err := bootstrap.GRPC(c)
		if err != nil || !strings.Contains(string(got), `"server_uri": "`+uri+`"`) {
			t.Errorf("%s: %v\n%s", server, err, got)
		}
	}
}
