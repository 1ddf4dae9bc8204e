// Package replica lets the servers of one mesh tell each other how far their proxies are, so that each of them can answer for all.
//
// A server has a place in the data folder, for its lock and its sockets; it finds others by their places, and on other
// machines by the addresses that it was given. Replicas only ask: nothing here changes what a server
// serves, and no server waits for another one before it serves.
//
// It may import xds/debug for what it tells. It never takes a missing answer for an empty one, and never
// speaks to another machine without both ends having shown a certificate of the control plane itself.
package replica
