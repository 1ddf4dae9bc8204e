// Package kubesource tests the source that watches Kubernetes against a real
// API server and the real controllers.
//
// It imports discovery/kube, the suite of sources, and the helpers under test.
// It holds tests only, and is never part of a binary.
package kubesource
