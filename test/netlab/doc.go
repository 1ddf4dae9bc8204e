// Package netlab gives tests pods: network namespaces with a node on one bridge (deploy/podnet),
// made for one test in some milliseconds and gone with it. In a pod a test listens,
// dials as any user, and runs processes.
//
// It may import deploy, the other helpers under test and testing. Tests that
// use it need root: they skip for other users and fail in CI. It leaves nothing
// behind: namespaces have no names, and end with the test's process at the latest.
package netlab
