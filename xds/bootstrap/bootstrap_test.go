package bootstrap_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/xds/bootstrap"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newAuthority is a real authority, at the real time.
func newAuthority(t *testing.T) *certs.Authority {
	t.Helper()
	authority, err := certs.Open(certs.Config{Dir: filepath.Join(t.TempDir(), "data"), TrustDomain: "cluster.local"})
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// readCases returns the configurations in testdata/cases by name, each with the roots.
func readCases(t *testing.T, roots []byte) map[string]bootstrap.Config {
	t.Helper()
	paths, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	cases := map[string]bootstrap.Config{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		config := bootstrap.Config{Roots: roots}
		if err := yaml.UnmarshalStrict(text, &config); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		cases[strings.TrimSuffix(filepath.Base(path), ".yaml")] = config
	}
	return cases
}

// goldenRoots is an authority whose key was thrown away and whose time is over.
func goldenRoots(t *testing.T) []byte {
	t.Helper()
	roots, err := os.ReadFile("testdata/roots.pem")
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// Each configuration in testdata/cases renders to the folder of its name in
// testdata/golden. A new case is a new file; -update writes and removes folders.
func TestGolden(t *testing.T) {
	cases := readCases(t, goldenRoots(t))
	if *update {
		if err := os.RemoveAll("testdata/golden"); err != nil {
			t.Fatal(err)
		}
	}
	for name, config := range cases {
		t.Run(name, func(t *testing.T) {
			files, err := bootstrap.Render(config)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join("testdata/golden", name)
			if *update {
				writeGolden(t, dir, files)
			}
			compareGolden(t, dir, files)
		})
	}
	folders, err := os.ReadDir("testdata/golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if _, ok := cases[folder.Name()]; !ok {
			t.Errorf("testdata/golden/%s has no case; -update removes it", folder.Name())
		}
	}
}

func writeGolden(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func compareGolden(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	for _, entry := range entries {
		if _, ok := files[entry.Name()]; !ok {
			t.Errorf("%s/%s is not rendered; -update removes it", dir, entry.Name())
		}
	}
	for name, got := range files {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s/%s differs (%v), -update writes it; got:\n%s", dir, name, err, got)
		}
	}
}

// The real Envoy accepts every case, in a folder that is really there.
func TestEnvoyAccepts(t *testing.T) {
	for name, config := range readCases(t, newAuthority(t).Bundle().PEM) {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			config.Dir = ""
			if err := bootstrap.Write(dir, config); err != nil {
				t.Fatal(err)
			}
			if err := envoy.Validate(t.Context(), readFile(t, filepath.Join(dir, bootstrap.BootstrapFile))); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// shortDir is a folder whose path leaves room for that of a Unix socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bootstrap-") //nolint:usetesting // The name of the test would be part of the path.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func good(t *testing.T) bootstrap.Config {
	t.Helper()
	return bootstrap.Config{
		Namespace: "shop", Workload: "cart-1", ServiceAccount: "cart",
		Server: "127.0.0.1:15010", Roots: goldenRoots(t), Dir: "/etc/outrigger",
	}
}

func TestRenderRefuses(t *testing.T) {
	key := []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")
	for name, test := range map[string]struct {
		change func(*bootstrap.Config)
		want   []string
	}{
		"no names":                   {func(c *bootstrap.Config) { c.Namespace, c.Workload, c.ServiceAccount = "", "", "" }, []string{"namespace", "workload", "service account"}},
		"a namespace of two parts":   {func(c *bootstrap.Config) { c.Namespace = "a.b" }, []string{"namespace", "DNS-1123 label"}},
		"a workload with a slash":    {func(c *bootstrap.Config) { c.Workload = "a/b" }, []string{"workload", "DNS-1123"}},
		"a workload with a newline":  {func(c *bootstrap.Config) { c.Workload = "a\nb" }, []string{"workload"}},
		"an account in capitals":     {func(c *bootstrap.Config) { c.ServiceAccount = "Cart" }, []string{"service account"}},
		"a huge name":                {func(c *bootstrap.Config) { c.Workload = strings.Repeat("a", 1<<20) }, []string{"workload"}},
		"no server":                  {func(c *bootstrap.Config) { c.Server = "" }, []string{"server", "host:port"}},
		"a server without a port":    {func(c *bootstrap.Config) { c.Server = "outrigger" }, []string{"server", "host:port"}},
		"port 0":                     {func(c *bootstrap.Config) { c.Server = "outrigger:0" }, []string{"server", "1 to 65535"}},
		"port 65536":                 {func(c *bootstrap.Config) { c.Server = "outrigger:65536" }, []string{"server", "1 to 65535"}},
		"a port by name":             {func(c *bootstrap.Config) { c.Server = "outrigger:grpc" }, []string{"server", "1 to 65535"}},
		"a URL":                      {func(c *bootstrap.Config) { c.Server = "https://outrigger:15010" }, []string{"server"}},
		"a server nowhere":           {func(c *bootstrap.Config) { c.Server = "0.0.0.0:15010" }, []string{"server", "nobody can connect"}},
		"a server with a zone":       {func(c *bootstrap.Config) { c.Server = "[fe80::1%eth0]:15010" }, []string{"server", "zone"}},
		"a server of bad letters":    {func(c *bootstrap.Config) { c.Server = "out_rigger:15010" }, []string{"server: host"}},
		"a further one nowhere":      {func(c *bootstrap.Config) { c.Further = []string{"0.0.0.0:15010"} }, []string{"server", "nobody can connect"}},
		"a server that is not there": {func(c *bootstrap.Config) { c.Further = []string{""} }, []string{"server", "host:port"}},
		"a server twice":             {func(c *bootstrap.Config) { c.Further = []string{c.Server} }, []string{"127.0.0.1:15010", "named twice"}},
		"no roots":                   {func(c *bootstrap.Config) { c.Roots = []byte(" \n") }, []string{"roots", "roots.pem"}},
		"roots that are text":        {func(c *bootstrap.Config) { c.Roots = []byte("hello") }, []string{"roots", "PEM"}},
		"roots with a key":           {func(c *bootstrap.Config) { c.Roots = append(bytes.Clone(c.Roots), key...) }, []string{"roots", "nothing else"}},
		"roots cut short":            {func(c *bootstrap.Config) { c.Roots = c.Roots[:len(c.Roots)-40] }, []string{"roots"}},
		"huge roots":                 {func(c *bootstrap.Config) { c.Roots = make([]byte, 2<<20) }, []string{"roots", "at most"}},
		"a relative folder":          {func(c *bootstrap.Config) { c.Dir = "out" }, []string{"folder", "absolute"}},
		"a folder that climbs":       {func(c *bootstrap.Config) { c.Dir = "/a/../b" }, []string{"folder", "clean"}},
		"a folder too deep":          {func(c *bootstrap.Config) { c.Dir = "/" + strings.Repeat("a", 120) }, []string{"admin socket", "107"}},
		"an open admin":              {func(c *bootstrap.Config) { c.Admin = "0.0.0.0:15000" }, []string{"admin", "loopback"}},
		"an admin by name":           {func(c *bootstrap.Config) { c.Admin = "localhost:15000" }, []string{"admin", "loopback"}},
		"a ready port 0":             {func(c *bootstrap.Config) { c.Ready = "127.0.0.1:0" }, []string{"ready", "1 to 65535"}},
		"metrics by name":            {func(c *bootstrap.Config) { c.Metrics = "localhost:15090" }, []string{"metrics", "IP address"}},
		"fewer than no connections":  {func(c *bootstrap.Config) { c.MaxConnections = -1 }, []string{"max connections"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := good(t)
			test.change(&config)
			files, err := bootstrap.Render(config)
			if err == nil || files != nil {
				t.Fatalf("rendered, error %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %.500q does not say %q", err, want)
				}
			}
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(shortDir(t), "new", "folder")
	config := good(t)
	config.Dir = ""
	if err := bootstrap.Write(dir, config); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		"": 0o700, "bootstrap.yaml": 0o644, "token_sds.yaml": 0o644, "roots_sds.yaml": 0o644, "roots.pem": 0o644, "token": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, mode %v, want %v", name, err, info.Mode().Perm(), want)
		}
	}
	if text := string(readFile(t, filepath.Join(dir, "bootstrap.yaml"))); strings.Count(text, dir) < 4 {
		t.Errorf("bootstrap.yaml does not name its own folder:\n%s", text)
	}
	if text := readFile(t, filepath.Join(dir, "token")); len(text) != 0 {
		t.Errorf("the place of the token holds %q", text)
	}
}

func TestWriteAgain(t *testing.T) {
	dir := shortDir(t)
	config := good(t)
	config.Dir = ""
	if err := bootstrap.Write(dir, config); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, bootstrap.TokenFile)
	if err := os.WriteFile(token, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, bootstrap.BootstrapFile)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	config.Workload = "cart-2"
	if err := bootstrap.Write(dir, config); err != nil {
		t.Fatal(err)
	}
	if text := readFile(t, token); string(text) != "mine" {
		t.Errorf("the token is now %q", text)
	}
	after, err := os.Stat(path)
	if err != nil || os.SameFile(before, after) {
		t.Errorf("bootstrap.yaml was written in place, or %v", err)
	}
	if !bytes.Contains(readFile(t, path), []byte("shop/cart-2")) {
		t.Error("bootstrap.yaml is the old one")
	}
	config.Server = "nowhere"
	if err := bootstrap.Write(dir, config); err == nil {
		t.Error("a bad server was written")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}
