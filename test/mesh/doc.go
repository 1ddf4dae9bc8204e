// Package mesh runs a whole mesh on one machine without root: the control plane
// as a real process of the outrigger binary, fed by a folder of YAML, and
// unmodified Envoys as sidecars in explicit mode, each started from a folder
// that `outrigger bootstrap` and `outrigger token` wrote. With a Place for each, it runs
// them in the pods of test/netlab.
//
// It may import the other helpers under test, and certs to sign what no control
// plane would sign. It uses the product by its command line, its files and its
// metrics only, as a user does, and leaves no process behind.
package mesh
