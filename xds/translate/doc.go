// Package translate spells policy/ir in Envoy's words: listeners, routes, clusters
// and endpoint assignments. One file holds one shape.
//
// It imports policy/ir, discovery for its vocabulary, xds/cache for the names of
// types and references, and Envoy's API. It is pure: equal arguments give equal
// bytes; it never looks anything up, decides nothing that people configure, and
// has no goroutine, clock, logger or I/O.
//
// # What keeps connections open
//
// Envoy drains a listener's connections when its bytes change, so these depend on
// address, port, protocol and mTLS mode only. What people edit lives in routes
// and clusters. Chains that understand HTTP always fetch their routes (RDS).
//
// # Names
//
//	clusters   outbound|<port>|<subset>|<service>.<namespace>, inbound|<port>, inbound|any, unknown
//	listeners  outbound, inbound, <vip>_<port>, explicit_<address>_<port>, inbound_<address>_<port>
//	routes     as their listener; inbound|<port> and inbound|any for captured ports
//	secrets    identity, roots
//
// # Stats and logs
//
// Listeners and connection managers count as "outbound" or "inbound", all
// services together, so that a sidecar's memory does not grow with them; what is counted per
// service is counted by its cluster, whose stats are called
// "outbound|<port>|<subset>|<service>|<namespace>": Envoy would take a dot for the end of the name.
//
// # gRPC
//
// Programs without a proxy take the same ir in other words, the gRPC profile (grpc*.go): an API listener for each
// target, clusters and assignments as strict as gRPC wants them, and server listeners. Certificates
// come from the provider of the client's bootstrap, never as secrets. Names:
//
//	clusters   outbound|<port>|<subset>|<service>.<namespace>
//	listeners  <service>.<namespace>:<port>, grpc/server?xds.resource.listening_address=<address>:<port>
//	routes     <service>.<namespace>:<port>
package translate
