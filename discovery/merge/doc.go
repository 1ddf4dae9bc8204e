// Package merge makes one mesh of several registries. It stands between the held
// sources and the feed: updates go in as the sources say them, and come out so
// that every service and every workload has one value, whoever says it, and no instance counts twice.
//
// It imports discovery only. It is pure: no goroutine, clock, logger or I/O; a
// Merge has a single writer. What it does is in proportion to what changed, and what comes
// out depends on what is known, never on the order in which it came.
//
// # Names
//
// Sources have an order: those of Kubernetes, files, Consul, then others; within a kind by name. Where two say a
// service of one name, the first counts whole, and the other is left out with a problem. They are never mixed, unless a Join says
// so.
//
// # Joins
//
// A Join gives a service the endpoints of another registry's service, in a shard of that registry's. The other service
// stays under its own name besides. What the service itself says goes before a JoinRule.
//
// # Instances
//
// Within a service port, an endpoint of a joined registry with an address that is there already, or of a workload that is, is
// the same instance: the first source's counts, with the worse health of the two, because each registry
// sees something that the other does not. From best to worse: healthy, degraded, unhealthy, draining.
//
// Kubernetes and files say who runs at an address; other registries say where somebody registered. Their endpoints at the
// address of exactly one workload of those two are that workload's, so that its clients speak to it as it expects,
// whoever named it. They drain when it ends, as long as anything else at the port serves.
//
// # Shares
//
// With a share, the weights of both parts are such that exactly that percentage is due to the joined part,
// counting what is healthy (where nothing is, what is degraded). A part without either is idle while the other part has
// some, and so is the own part at 100 and the joined part at 0. Idle endpoints stay known. While
// neither part has any, all endpoints of both are used by their own weights.
package merge
