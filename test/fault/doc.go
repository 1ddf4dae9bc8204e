// Package fault is a TCP proxy that stands between Outrigger and a real server
// and fails in the ways of networks: it refuses, hangs, breaks off in the
// middle of an answer, or is slow. It logs what went through it.
//
// It imports the standard library and golang.org/x/sys only. It never changes
// what it relays, and never opens a connection again. It looks into what it
// relays only to keep what a client sent, for a test to read.
package fault
