// Package policykube tests policy/kube, certs/kube and the rights of deploy/rbac
// against a real Kubernetes API server, which it also kills, sets back to an
// older state and takes the definitions from. What it tests runs as the service
// account of deploy/rbac, and with no right besides.
//
// It may import what it tests and the other helpers of tests.
package policykube
