// Package build is the incremental core: it joins the model and the rules, and
// keeps the Envoy resources that follow from them. Apply takes what changed
// and returns what changes for it, and nothing else is looked at.
//
// It imports discovery, policy, policy/ir, xds/translate and xds/cache. It has
// a single writer and no goroutine, clock, logger or I/O; equal input
// gives equal output, byte for byte.
//
// Apply works in passes. Values are stored, and where one is equal to
// the last, everything stops. From what differs, the edges below mark records as
// dirty. Each dirty record is resolved once: rules, then workloads, then
// services, then views and classes. Where the ir is equal to the last, or the bytes are, that record stops.
//
// The edges: which record has to be resolved again when another differs.
// Each is walked at a single place (edges.go), so that a test can cut it.
//
//  1. shard -> the ports of its service whose endpoints differ: assignments
//  2. service -> all its ports: clusters and assignments
//  3. service -> the services that claim the same virtual addresses, itself included: listeners and routes
//  4. shard -> the workloads that the differing endpoints name: the ports that lead to them, inbound
//  5. service -> the workloads that its shards name: the protocol of inbound ports
//  6. service -> the proxy rules whose egress or scope names it: the protocol of explicit listeners, and problems
//  7. proxy rule -> the workloads that it selects, and those that it did: class, view, and which ports are served
//  8. proxy rule -> its egress, and from there the workloads that use it
//  9. peer rule -> the workloads that it selects, and those that it did
//  10. mesh rule -> every workload: the default mode
//  11. mesh rule -> what every capturing proxy has once
//  12. workload -> its class: inbound resources, and in explicit mode egress
//  13. workload -> the view of its node
//  14. workload -> the service ports whose endpoints name it, where its peer at that port differs: assignments
//  15. service port -> its set of peers -> its cluster
//  16. retirement -> the set of peers of its service port
//  17. first or last workload without a proxy -> all service ports: their gRPC form
//  18. service port -> its gRPC form: target, cluster and assignment
//  19. endpoints of a service port with names among them, or that had -> its cluster, which holds them
//  20. service port -> its assignments for the zones of clients
//  21. first or last client of a zone -> the ports where zones matter: their assignments for it
//  22. first or last port where zones matter -> the views of all clients with a zone
//
// Which scopes see a service is no edge: every resource carries its service as
// group, and xds/cache chooses by it.
//
// # Peers
//
// A cluster accepts the peers that its endpoints have now, and those that they
// had until a short while ago. A set is widened at once. When the last endpoint of a peer goes,
// the peer stays and Changes.Retired names it; whoever owns the Builder
// hands it back in a later Batch.Retire, and only then the set is narrowed.
//
// An endpoint that names a workload which no source describes is left out until one does: who
// answers there is not known, and it must not be plain text by chance.
//
// # Names
//
// A port with an endpoint that is known by a DNS name has a cluster that resolves names and holds all endpoints itself;
// there is no assignment then. The names of both forms are equal, so that nothing else changes when a port goes from one to the other.
//
// # Zones
//
// Where a service or its endpoints say that clients prefer what is near, clients of a zone have an assignment of their
// own, in the layer of the zone: what is meant for them first, the rest behind it. The layers are part of views while there
// is such a port anywhere, so that a mesh that does not care has no more views for its zones. A zone that is
// like any other has no assignment. Programs without a proxy have none either.
//
// # gRPC
//
// Workloads that are gRPC programs without a proxy see a layer of their own, which holds
// all services in their form. It is filled while there is such a workload, and empty otherwise.
package build
