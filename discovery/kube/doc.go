// Package kube is the source that watches a Kubernetes cluster: Services,
// EndpointSlices, Pods, Nodes, Namespaces, and the Workloads of outrigger.dev, which
// Services select too.
//
// It imports discovery and what sources share under its internal, api and the
// parts of client-go that make requests, and never policy. It keeps no object of the API: what is read is turned at once
// into small values that hold what the mesh needs.
//
// It watches by its own loop and not by client-go's reflector, because what
// must not be believed is its own business: a reflector retries in silence,
// takes a list for granted whose resource version went back, and goes on from a
// version that a restored server reuses. Here a state is read whole after every
// broken connection, the cluster is asked who it is before that state counts,
// and trouble is told with the first change that it may have caused.
//
// A server that hangs is noticed within 10 s: the heartbeat asks every 5 s and
// waits 5 s for the answer. It asks once more, with 10 s, before connections on
// which nothing comes back are cut: a server that is slow is told as trouble, and
// its watches go on.
//
// The work is split into steps that know little of each other: client
// (requests), watcher (one kind: full state, follow, again), guard and heartbeat
// (what is to be believed, and trouble), the files of each kind (objects of the
// API to small values, pure), world (those values, and what has to be built
// anew), endpoints (small values to the model, pure), worker (the loop that owns
// what is sent).
package kube
