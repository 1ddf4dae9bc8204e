// Package feed owns the Builder: it takes what the sources and the compiler
// say, applies it and publishes what follows. The first change after
// quiet goes out at once. While one is being applied, those that come are merged key by key;
// there is never a fixed delay.
//
// Endpoints that go or drain go first. Nothing is published before every
// configured source has said all it has.
//
// It imports discovery, policy, xds/build and xds/cache. One goroutine (Feed.Run) applies
// and publishes; anybody may Offer, and nobody is kept waiting for it.
// It reads the clock for two things: how long a change took, and when a retired peer may be forgotten.
package feed
