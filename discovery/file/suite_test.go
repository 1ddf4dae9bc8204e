package file_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/discovery/sourcetest"
)

func TestSuite(t *testing.T) { sourcetest.Run(t, openRegistry) }

func openRegistry(t *testing.T) sourcetest.Registry {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mesh")
	mkdir(t, dir)
	return &registry{dir: dir}
}

// registry is a folder with one file per object.
type registry struct {
	dir string
}

func (r *registry) Source(t *testing.T) discovery.Source {
	t.Helper()
	source, err := file.New(file.Config{Dir: r.dir, Name: "test", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return source.Plain()
}

func (r *registry) PutService(t *testing.T, s sourcetest.Service) {
	t.Helper()
	write(t, filepath.Join(r.dir, "service-"+s.ID.Host()+".yaml"), serviceYAML(s))
}

func (r *registry) DeleteService(t *testing.T, id discovery.ServiceID) {
	t.Helper()
	remove(t, filepath.Join(r.dir, "service-"+id.Host()+".yaml"))
}

func (r *registry) PutWorkload(t *testing.T, w sourcetest.Workload) {
	t.Helper()
	write(t, filepath.Join(r.dir, "workload-"+w.ID.Namespace+"."+w.ID.Name+".yaml"), workloadYAML(w))
}

func (r *registry) DeleteWorkload(t *testing.T, id discovery.WorkloadID) {
	t.Helper()
	remove(t, filepath.Join(r.dir, "workload-"+id.Namespace+"."+id.Name+".yaml"))
}

func (r *registry) Break(t *testing.T) {
	t.Helper()
	rename(t, r.dir, r.dir+".away")
}

func (r *registry) Mend(t *testing.T) {
	t.Helper()
	rename(t, r.dir+".away", r.dir)
}

func serviceYAML(s sourcetest.Service) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec:
  clusterIP: %q
  selector: {app: %s}
  ports: [{port: %d, targetPort: %d}]
`, s.ID.Name, s.ID.Namespace, s.VIP, s.App, s.Port, s.TargetPort)
}

func workloadYAML(w sourcetest.Workload) string {
	health := w.Health.String()
	return fmt.Sprintf(`apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: %s, namespace: %s, labels: {app: %s}}
spec:
  addresses: [%q]
  serviceAccountName: %s
  health: %s
`, w.ID.Name, w.ID.Namespace, w.App, w.Address, w.Account, strings.ToUpper(health[:1])+health[1:])
}

// write writes in place, as a shell does: truncated first.
func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
