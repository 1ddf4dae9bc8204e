// Package rude is clients that do to a server what no client should: refuse all, say nothing, say it byte by byte, ask for
// names without end, come back without end, read nothing. A test or a benchmark runs them beside well-behaved clients
// and looks at how those fare. All that is said is said in both forms of the protocol, delta and state of the world.
//
// It imports gRPC, HTTP/2 and the discovery messages only, and never decides whether a server passes.
package rude
