package ir

import (
	"strconv"

	"outrigger.dev/outrigger/discovery"
)

// Target is one service port as gRPC programs without a proxy dial it, by "xds:///" and its name.
type Target struct {
	Service discovery.ServiceID
	Port    uint16
}

// Name returns "<service>.<namespace>:<port>", which also names the routes.
func (t Target) Name() string { return t.Service.Host() + ":" + strconv.Itoa(int(t.Port)) }

// Cluster returns the name of the cluster that the target leads to.
func (t Target) Cluster() string { return ClusterName(t.Service, t.Port, "") }
