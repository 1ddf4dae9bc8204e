// Package discovery holds the model that every source fills: services, their
// endpoints, workloads, and the typed updates that carry them.
//
// It imports nothing of Outrigger's and no client of any registry, so that the
// core can depend on it without depending on where the facts come from.
// It never does I/O. Values behind pointers are immutable once they were sent:
// a source that learns something new builds a new value.
package discovery
