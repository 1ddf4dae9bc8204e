// Command bench measures the server as a process of its own: the kernel accounts for its CPU, clients
// speak TLS and acknowledge what they get. Beside it, in the same run, stands go-control-plane's
// SnapshotCache with one snapshot per node and the same resources, and the floor (-servers outrigger,floor):
// a server of bare TLS connections and one of bare gRPC streams, which do nothing but push as many bytes and read an answer.
//
//	go run ./test/bench -outrigger bin/outrigger -services 1000 -streams 1000
//
// With -servers rude it measures what well-behaved clients get alone, and beside a rude client of every kind in a process of its own:
//
//	go run ./test/bench -servers rude -streams 100 -changes 200
//
// It prints a table; docs/performance.md keeps the figures with their command.
package main
