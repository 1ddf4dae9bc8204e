// Package lab runs a captured mesh on one Linux machine: a node with the control plane, and some pods with small
// programs, each with an Envoy of its own behind the rules of deploy/capture.
//
//	frontend-1            HTTP, calls cart
//	cart-1, cart-2        HTTP, accept mesh mTLS only
//	db-1                  TCP, the server speaks first
//	outside               a pod without a proxy, not part of the mesh
//
// It may import deploy and the packages of Outrigger's that a user has by command. The control plane and the sidecars' folders come from
// the outrigger binary, by the commands that a user has. Everything ends with the process: the pods have no
// names, and each program dies with who started it. What is on disk is one folder, which the end removes.
package lab
