// Package podnet makes a small network on one machine: a node and several pods, each
// a network namespace of its own, joined by a bridge, with IPv4 and IPv6. It is
// what a node of a cluster looks like from below, up in some milliseconds.
//
//	node  10.77.0.1  fd77::1     the bridge; the router of all pods, which knows no way out
//	pods  10.77.0.2  fd77::2 ... eth0, with a default route to the node
//
// The network is cut off from the machine's own, which it neither uses nor changes. Nothing of it has a
// name or a file outside this process, so that the kernel takes all of it away when the processes are
// gone, also after a crash.
//
// It may import deploy/netns and no other package of ours. It needs root, and knows
// nothing of proxies, rules and meshes.
package podnet
