// Package mesh tests the whole product against real registries: the control plane watches a real Kubernetes
// API server and real Consul servers, and serves unmodified Envoys in captured pods, while requests run and the
// registries change and fail. It holds no product code.
//
// Its tests may import the other helpers under test and the clients of the registries. They use the product by its
// command line, its metrics, its log and its API objects only, as a user does. They need root, for the pods.
package mesh
