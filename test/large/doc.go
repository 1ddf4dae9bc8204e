// Package large takes a service with very many instances all the way from a
// source's word to what a proxy sees, and counts what that and one change of it
// cost.
//
// It holds tests only. They import all stages between a source and the streams,
// from discovery/hold to xds/cache, and never a registry or an Envoy.
package large
