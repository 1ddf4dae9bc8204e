// Command bench measures the server as a process of its own: the kernel accounts for its CPU, clients
// speak TLS and acknowledge what they get. Beside it, in the same run, stands go-control-plane's
// SnapshotCache with one snapshot per node and the same resources, and the floor (-servers outrigger,floor):
// a server of bare TLS connections and one of bare gRPC streams, which do nothing but push as many bytes and read an answer.
//
//	go run ./test/bench -outrigger bin/outrigger -services 1000 -streams 1000
//
// With -scope every client declares some services, and what is measured is what changes cost that few see, or none:
//
//	go run ./test/bench -scope 20 -changes 100 -added 50
//
// With -against it compares two builds of the server, which both hold all clients while endpoint changes and reconnects take turns: that tells
// differences of a few percent, where two runs differ by a fifth:
//
//	go run ./test/bench -outrigger bin/outrigger -against bin/before -changes 200
//
// With -servers replicas two servers of one folder are restarted in turn, and their clients move:
//
//	go run ./test/bench -servers replicas
//
// With -servers rude it measures what well-behaved clients get alone, Envoys among them, and beside a rude client of every
// kind in a process of its own:
//
//	go run ./test/bench -servers rude -streams 100 -changes 200
//
// With -idle the clients connect and rest, and nothing is measured but that:
//
//	go run ./test/bench -servers outrigger -streams 50000 -per-connection 4 -scope 10 -idle 180s
//
// With -per-connection several clients share a connection, where there are more of them than files that a process may have.
//
// It ends with an error when our server sent a client what that had, or woke one whom a change does not concern.
//
// It prints a table; docs/performance.md keeps the figures with their command.
package main
