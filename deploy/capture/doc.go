// Package capture brings the TCP connections of a pod to its proxy: the nftables rules of one network
// namespace, set by netlink, for IPv4 and IPv6.
//
//	table inet outrigger
//	  chain out   what the pod sends goes to port 15001, except what the proxy itself sends. A connection
//	              of the proxy to the pod's own address goes to port 15006: that is the pod calling its own service
//	  chain in    what the pod is sent goes to port 15006, except readiness (15021) and metrics (15090)
//
// Connections over loopback are left alone, and so is everything that is excluded. The proxy reaches
// its application from 127.0.0.6 and ::6, by which the rules know such a connection; the
// second of the two is put on the loopback interface.
//
// That connections to the proxy's own ports (15000 to 15099) do not loop is the work of two: the rules bring them to the
// listeners on 15001 and 15006, past which none leads, and those close them at once.
//
// All functions work on the network namespace of the calling thread: whoever changes namespaces locks the
// goroutine to its thread (netns.Namespace.Do does). The package may import
// deploy/netns, and nothing else of ours. It touches no table but its own, has no goroutine, and needs CAP_NET_ADMIN.
package capture
