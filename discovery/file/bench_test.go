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

func benchChange(b *testing.B, files int) {
	b.Helper()
	dir := b.TempDir()
	m := newMesh(discovery.SourceID{Kind: "file", Name: "bench"})
	r := &run{mesh: m, folder: newFolder(dir, m, DefaultSettle)}
	now := time.Unix(1e9, 0)
	write := func(i, network int) {
		name := fmt.Sprintf("service-%d.yaml", i)
		data := fmt.Appendf(nil, benchYAML, i, i/250, 1+i%250, network)
		known := r.folder.files[name]
		if known == nil {
			known = &file{}
		}
		r.folder.touch(name, placed)
		r.folder.judge(name, known, content{data: data}, now)
	}
	for i := range files {
		write(i, 20)
	}
	r.folder.due(now)
	r.folder.complete = true
	m.settle()
	update, _ := r.pending()
	r.sent(update)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		write(i%files, 21+i/files%200)
		m.settle()
		update, ready := r.pending()
		if !ready || len(update.Endpoints) != 1 {
			b.Fatalf("%d endpoints, ready %t", len(update.Endpoints), ready)
		}
		r.sent(update)
	}
}
