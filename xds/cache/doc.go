// Package cache holds named, versioned, already encoded xDS resources in layers,
// puts layers together as views, and knows which streams a change concerns.
//
// One goroutine publishes (Store.Publish); streams read snapshots, which are
// immutable, without a lock. A publication swaps pointers and wakes streams
// through channels of capacity one: it never blocks on a stream and queues no payload.
//
// The package imports protobuf's wire encoding, a hash and xds/internal/prefetch only: it knows no
// Envoy type, no service and no policy. It never encodes a resource twice and never copies one.
package cache
