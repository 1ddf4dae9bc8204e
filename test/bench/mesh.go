package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// mesh is a folder of YAML: services of two endpoints each, one file a service,
// the workloads of the clients in one more file, and what their proxies do in another.
type mesh struct {
	dir      string
	services int
	streams  int
	// capture makes clients that capture; otherwise they are explicit.
	capture bool
	// scope is how many services every client declares; 0: all are in its scope.
	scope int
	// envoys are the addresses that real Envoys bind beside the clients, with everything in scope.
	envoys []listen
}

// listen is a local address with a port.
type listen struct {
	address string
	port    int
}

const namespace = "bench"

func (m mesh) write() error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return fmt.Errorf("folder of the mesh: %w", err)
	}
	for i := range m.services {
		if err := m.writeService(i, 0); err != nil {
			return err
		}
	}
	if err := m.writeProxies(false); err != nil {
		return err
	}
	var clients []byte
	for i := range m.streams {
		clients = fmt.Appendf(clients, workloadYAML, clientName(i), m.app(i), namespace, address(10, i), "client")
	}
	for i := range m.envoys {
		clients = fmt.Appendf(clients, workloadYAML, envoyName(i), envoyName(i), namespace, address(11, i), "client")
	}
	return m.put("clients.yaml", clients)
}

const (
	serviceYAML = `apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec: {clusterIP: %[3]s, selector: {app: %[1]s}, ports: [{name: http, port: 80, targetPort: 8080}]}
`
	workloadYAML = `---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: %[1]s, namespace: %[3]s, labels: {app: %[2]s}}
spec: {addresses: [%[4]s], serviceAccountName: %[5]s, sidecar: true}
`
)

func serviceName(i int) string { return fmt.Sprintf("service-%d", i) }
func clientName(i int) string  { return fmt.Sprintf("client-%d", i) }
func envoyName(i int) string   { return fmt.Sprintf("envoy-%d", i) }

// address spreads numbers over 10.<net>.0.0/16; bench meshes stay below 60,000 of a kind.
func address(network, i int) string { return fmt.Sprintf("10.%d.%d.%d", network, i/250, 1+i%250) }

// writeService writes one service; another generation has another address for its first endpoint.
func (m mesh) writeService(i, generation int) error {
	name := serviceName(i)
	data := fmt.Appendf(nil, serviceYAML, name, namespace, address(96, i))
	first := address(20, i)
	if generation > 0 {
		first = address(40, generation)
	}
	data = fmt.Appendf(data, workloadYAML, name+"-0", name, namespace, first, name)
	data = fmt.Appendf(data, workloadYAML, name+"-1", name, namespace, address(30, i), name)
	return m.put(name+".yaml", data)
}

// put replaces a file at once, so that no reader sees a part of it.
func (m mesh) put(name string, data []byte) error {
	temporary := filepath.Join(filepath.Dir(m.dir), name+".new")
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(temporary, filepath.Join(m.dir, name)); err != nil {
		return fmt.Errorf("put %s into place: %w", name, err)
	}
	return nil
}
