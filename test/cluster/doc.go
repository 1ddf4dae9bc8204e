// Package cluster runs real registries for tests: a Kubernetes API server with
// etcd and the controllers, and Consul servers, each on loopback addresses of
// its own. Tests also make them fail: killed, restarted, set back to an older
// state.
//
// It imports the other helpers under test and the clients of the registries. It
// never fakes an answer, never builds or fetches a program (`make cluster`
// does), never skips a test because one is missing, and leaves no process
// behind, also when the test program is killed.
//
// Nothing runs pods here: a test writes the objects that a kubelet would write
// (Kube.AddPod), and the controllers make EndpointSlices of them as they do anywhere.
package cluster
