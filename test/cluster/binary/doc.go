// Package binary knows the real programs that tests run, kube-apiserver and
// Consul among them: which Go module each is built from, where it lies once it
// is built, and how it is built.
//
// It imports the standard library only. Versions stand in the go.mod files
// under .ci/cluster and nowhere else. Path only looks: nothing is ever built
// behind a test's back (`make cluster` does), and nothing is built twice.
package binary
