package file

import (
	"fmt"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
)

const benchYAML = `apiVersion: v1
kind: Service
metadata: {name: service-%[1]d, namespace: bench}
spec: {clusterIP: 10.96.%[2]d.%[3]d, selector: {app: service-%[1]d}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: service-%[1]d-a, namespace: bench, labels: {app: service-%[1]d}}
spec: {addresses: [10.%[4]d.%[2]d.%[3]d], serviceAccountName: server}
---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: service-%[1]d-b, namespace: bench, labels: {app: service-%[1]d}}
spec: {addresses: [10.30.%[2]d.%[3]d], serviceAccountName: server}
`

// BenchmarkFolderChange is one endpoint that gets another address, in a folder of 1,000 and of 10,000 files: from the
// file's content to what the reader is told.
func BenchmarkFolderChange(b *testing.B) {
	for _, files := range []int{1000, 10000} {
		b.Run(fmt.Sprint(files), func(b *testing.B) { benchChange(b, files) })
	}
}

// BenchmarkFolderLoad is the first look at 1,000 files, without reading them from disk.
func BenchmarkFolderLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		benchFolder(b, 1000)
	}
}

// benched is a folder whose files are written by a benchmark.
type benched struct {
	*run
	now time.Time
}

// benchFolder has taken in a folder of so many files.
func benchFolder(b *testing.B, files int) *benched {
	b.Helper()
	m := newMesh(discovery.SourceID{Kind: "file", Name: "bench"})
	r := &benched{run: &run{mesh: m, folder: newFolder(b.TempDir(), m, DefaultSettle)}, now: time.Unix(1e9, 0)}
	for i := range files {
		r.write(i, 20)
	}
	r.folder.complete = true
	m.settle()
	update, _ := r.pending()
	if len(update.Endpoints) != files {
		b.Fatalf("%d endpoints", len(update.Endpoints))
	}
	r.sent(update)
	return r
}

// write puts a service into place; its first endpoint is in a network of this number.
func (r *benched) write(i, network int) {
	name := fmt.Sprintf("service-%d.yaml", i)
	known := r.folder.files[name]
	if known == nil {
		known = &file{}
	}
	r.folder.touch(name, placed)
	r.folder.judge(name, known, content{data: fmt.Appendf(nil, benchYAML, i, i/250, 1+i%250, network)}, r.now)
}

func benchChange(b *testing.B, files int) {
	b.Helper()
	r := benchFolder(b, files)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.write(i%files, 21+i/files%200)
		r.mesh.settle()
		update, ready := r.pending()
		if !ready || len(update.Endpoints) != 1 {
			b.Fatalf("%d endpoints, ready %t", len(update.Endpoints), ready)
		}
		r.sent(update)
	}
}
