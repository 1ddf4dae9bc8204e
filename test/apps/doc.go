// Package apps holds the small real programs that the demo and the tests put
// behind sidecars: frontend and cart, which speak HTTP, and catalog, which
// speaks gRPC. Each answers with what it saw: who it is, and who called.
//
// It imports the standard library and gRPC only. The programs know nothing of
// the mesh: no certificate, no proxy, no retry. All they see of it is the
// header x-forwarded-client-cert.
package apps
