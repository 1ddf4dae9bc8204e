// Package proxyless tests gRPC programs without a proxy in a whole mesh: grpc-go's own xDS client and server, with
// certificates that outrigger certificate keeps in files, against each other and against real Envoys.
//
// It holds tests only, and imports test/mesh, test/process and gRPC; nothing of the product but its command.
package proxyless
