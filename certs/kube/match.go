package kube

import (
	"errors"
	"fmt"

	"outrigger.dev/outrigger/discovery"
)

// ErrMismatch says that a token is good, and not that of the pod that the mesh knows.
var ErrMismatch = errors.New("the token is not that of the pod that the mesh knows")

// Match returns nil when the claims are those of the workload: the same pod, by name and UID, with the same service
// account and on the same node. A workload that is not known is nil. Every other error is an ErrMismatch.
//
// A deleted pod's token passes reviews for some ten seconds more, and a pod of a StatefulSet has the name of the one
// before; so it is the UID that decides, and a workload without one matches nobody.
func Match(claims Claims, workload *discovery.Workload) error {
	if workload == nil {
		return mismatch(claims, "the mesh knows no such pod")
	}
	id := workload.ID
	switch {
	case claims.Namespace != id.Namespace || claims.Pod != id.Name:
		return mismatch(claims, "the workload is "+id.String())
	case claims.PodUID == "" || claims.PodUID != workload.UID:
		return mismatch(claims, fmt.Sprintf("its UID is %q, the token says %q", workload.UID, claims.PodUID))
	case claims.ServiceAccount != workload.ServiceAccount:
		return mismatch(claims, fmt.Sprintf("it runs as service account %q, the token says %q", workload.ServiceAccount, claims.ServiceAccount))
	case claims.Node != "" && claims.Node != workload.Node:
		return mismatch(claims, fmt.Sprintf("it is on node %q, the token says %q", workload.Node, claims.Node))
	}
	return nil
}

func mismatch(claims Claims, why string) error {
	return fmt.Errorf("%w: pod %s: %s", ErrMismatch, claims, why)
}
