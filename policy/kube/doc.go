// Package kube connects the mesh's policies with a Kubernetes cluster: a
// [Source] watches the kinds MeshConfig, ProxyConfig and AuthenticationPolicy
// there, and a [Writer] writes back onto these and onto Workload whether they
// are in use.
//
// It may import api, discovery, policy/compile, internal/conns and client-go.
//
// An API server that hangs is noticed within 10 s, as by discovery/kube.
//
// It never says that an object is gone because the cluster could not be asked,
// or because the definition of its kind went: that is trouble, and what was
// told stays. It never judges an object itself: what is wrong with one is for
// policy/compile and the core to say, but for what cannot be decoded at all. Of
// several replicas only the holder of a Lease writes, and nobody writes what
// stands there already.
package kube
