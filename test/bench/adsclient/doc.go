// Package adsclient is a delta ADS client that behaves as Envoy does towards the server and costs as
// little as it can itself, for it shares its processors with the server that is measured: it speaks
// HTTP/2 and gRPC in one goroutine a connection, reads names, versions and nonces from the wire,
// keeps no resource, asks for the assignments of the clusters and the routes of the listeners that it
// was sent, and acknowledges everything.
//
// It imports HTTP/2's framer, gRPC's status and the wire form of protobuf. It is for measuring servers;
// it never judges what a resource says.
package adsclient
