// Package kube finds out who a caller is by the service account token that
// Kubernetes gave its pod: the API server reviews the token, and [Match] holds
// what it says against the pod that the mesh knows.
//
// It may import certs, discovery and client-go.
//
// It never trusts a token that the API server did not review, never stores,
// prints or logs one, and never takes an API server that cannot be asked for
// one that says no. What a token says of its own expiry only ever shortens how
// long an answer is remembered. It owns no goroutine.
package kube
