// Package transport carries gRPC's bidirectional streams over HTTP/2 and TLS: the server's side of what Envoy's
// discovery speaks, and nothing else of gRPC. There are no unary calls, no compression and no plain text.
//
// It exists because of what a stream costs: gRPC's own server keeps four goroutines and two buffers for each
// connection, and wakes three of them for one message and its answer. Here a few goroutines take in what comes of all
// connections and run what it causes, and whoever has something to send writes it himself, without ever waiting
// for the client: what the kernel does not take at once is kept, and written by a goroutine that ends
// with it. docs/decisions/0026 and 0029 have the figures.
//
// It may import the framing and header compression of golang.org/x/net/http2, and gRPC's codes and statuses; of ours
// xds/internal/prefetch. It never looks into a message, never trusts a length before the bytes have come, never
// holds more of a client than the windows that it has given it, which are narrow until somebody wants to hear
// it (docs/decisions/0028), and has no queue that a client can grow.
//
// The files: server.go (listening and ending), connection.go (a connection's life), reader.go, pollers_linux.go, poller_linux.go
// and polled_linux.go (who is told that something came), calls_linux.go (system calls), input.go (cutting it into frames), read.go (what frames ask for), open.go (how
// a stream begins), stream.go (what its owner does with it), inbox.go (messages that come), outbox.go (messages that go),
// write.go (the frames that go), socket.go (writing without waiting), slow.go (and where it has to), ahead.go (memory that is about to be touched), records.go (reading a record at a time), header.go
// (the headers that go), buffers.go, patience.go (what time ends, and abuse), fault.go (what the log is told).
package transport
