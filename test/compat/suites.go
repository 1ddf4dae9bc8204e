package main

import "path"

// suite is a package with tests that run an Envoy.
type suite struct {
	// dir is the package's folder in the repository.
	dir string
	// what is tried, for the page that users read.
	what string
}

// name tells suites apart, and is that of the package.
func (s suite) name() string { return path.Base(s.dir) }

// suites are all of them, in the order in which they run: what is quick comes first.
func suites() []suite {
	return []suite{
		{"test/validate", "Envoy's own validation, by which the others judge"},
		{"test/pipeline", "what becomes of folders of YAML, validated for every node"},
		{"xds/translate", "every shape of listener, route and cluster: validated, and under traffic of every protocol, mode and kind of caller"},
		{"xds/bootstrap", "the folder of a sidecar: start-up, token, roots, control plane by name, readiness and metrics"},
		{"test/mesh", "sidecars of a running control plane: protocols in every mode, edits and churn under traffic, endpoints, reconnects, renewal, refusals"},
		{"test/capture", "pods whose traffic is captured"},
		{"test/replicas", "sidecars that move between two control planes"},
		{"test/proxyless", "gRPC programs without a proxy, and sidecars, calling each other"},
	}
}

// apart are packages whose tests need an Envoy and are no matter of its version.
func apart() map[string]string {
	return map[string]string{
		"test/envoy":    "starts Envoys for the others",
		"cmd/outrigger": "gives its Envoys nothing that test/mesh does not",
		"test/compat":   "is this command",
		"test/rude":     "is about the server: its Envoys are bystanders",
		"test/bench":    "measures the server: its Envoys are bystanders",
		"test/docs":     "does what the documents say, and they name one version",

		"test/integration/mesh": "is about registries: what its Envoys are given, those of test/mesh are given too",
	}
}
