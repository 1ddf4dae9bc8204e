// Package debug shows what the control plane knows and what its proxies have:
// over HTTP as JSON, and over gRPC as Envoy's client status discovery service
// (CSDS), both on Unix sockets that only the server's user may open.
//
// It may import xds/cache and xds/server; it shows what they tell and looks
// nowhere else. It never listens on a network, never shows a secret, and
// changes nothing.
package debug
