// Package consul is the source that watches a Consul datacenter: the catalog says which services there are, and a
// blocking query per service says which instances they have and how these are.
//
// It imports discovery and what sources share under its internal, the types of consul/api, and no other package of Outrigger's. It makes its requests itself:
// the client of consul/api takes addresses, rights and partitions from the environment, hides how long a server
// asked to wait, and needs an answer twice in memory.
//
// It reports what the registry says, and Trouble while that is not to be believed; it never keeps by itself what
// the registry says is gone, with three exceptions that are written where they are made: what an answer lacks that an
// access rule hides (mesh.put), a service without instances whose last one went (mesh.confirm), and the worse state of
// an instance whose checks flap (damper).
//
// The work is split: access (token and roots), client (one request), cursor (the rules of the index, pure), watch (the
// loop around one query), decode and instance (answers to values, pure), names and service (values to the model,
// pure), mesh (what all answers say together, pure), run (the goroutine that owns the mesh).
//
// Over HTTP/2, which Consul speaks on its HTTPS port only, every service has a blocking query of its own. Over HTTP/1.1
// there are two of them, for the catalog and for all checks, which say what is to be read: see sweeper.
package consul
