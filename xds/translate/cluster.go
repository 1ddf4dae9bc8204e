package translate

import (
	"math"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	leastrequestv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	roundrobinv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

const (
	// mergeWindow is how long Envoy gathers changes of health that it finds out itself before it acts on them. Its own second
	// would leave endpoints in the balance for so long after they were ejected. It is not zero because each change
	// costs a rebuild of the whole balance: a service that loses thousands of endpoints does it a hundred times a second at most.
	mergeWindow = 10 * time.Millisecond
	// minRetries may be under way in any case, in one proxy, to one service. Requests that pause before a retry count as retries and
	// not as under way, so that this is the bound for servers that refuse at once, and for hundreds of callers who wait
	// for silent ones too: with 100, one in ten of the requests of 300 callers failed.
	minRetries = 1000
)

// leastRequest weighs two random endpoints against each other; localities do not count.
var leastRequest = &clusterv3.LoadBalancingPolicy{Policies: []*clusterv3.LoadBalancingPolicy_Policy{{
	TypedExtensionConfig: extension("envoy.load_balancing_policies.least_request", &leastrequestv3.LeastRequest{}),
}}}

// roundRobin takes endpoints in turn, each as often as its weight says; localities do not count.
var roundRobin = &clusterv3.LoadBalancingPolicy{Policies: []*clusterv3.LoadBalancingPolicy_Policy{{
	TypedExtensionConfig: extension("envoy.load_balancing_policies.round_robin", &roundrobinv3.RoundRobin{}),
}}}

func balancer(b ir.Balance) *clusterv3.LoadBalancingPolicy {
	if b == ir.ByWeight {
		return roundRobin
	}
	return leastRequest
}

// Cluster returns the cluster of an upstream.
func Cluster(u *ir.Upstream) Resource {
	c := &clusterv3.Cluster{
		Name:                 u.Name(),
		AltStatName:          statName(u),
		Metadata:             clusterMetadata(u),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()},
		ConnectTimeout:       duration(u.ConnectTimeout),
		LoadBalancingPolicy:  balancer(u.Balance),
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{
			HealthyPanicThreshold: &typev3.Percent{Value: float64(u.PanicThreshold)},
			UpdateMergeWindow:     duration(mergeWindow),
		},
		CircuitBreakers:               retriesBounded(),
		OutlierDetection:              ejection(u.Ejection),
		TypedExtensionProtocolOptions: upstreamHTTP(u),
	}
	secure(c, u)
	noticeSilence(c, u.Protocol)
	var named []cache.Ref
	if u.DNS != nil {
		resolveNames(c, u.DNS)
	} else {
		named = append(named, cache.Ref{Type: cache.Endpoints, Name: c.GetName()})
	}
	if c.GetTransportSocket() != nil || len(c.GetTransportSocketMatches()) > 0 {
		named = append(named, secretRefs()...)
	}
	return Resource{Type: cache.Cluster, Name: c.GetName(), Message: c, Refs: refs(named...)}
}

// secure says how the peers of an upstream are spoken to. A cluster of both kinds has one match, which the
// groups of endpoints with mesh mTLS name in their metadata, and no second one: a match without labels would
// win before the metadata of a group is looked at, and send all of it in plain text.
func secure(c *clusterv3.Cluster, u *ir.Upstream) {
	mesh := len(u.Peers.Identities) > 0
	switch {
	case mesh && u.Peers.Plain:
		c.TransportSocketMatches = []*clusterv3.Cluster_TransportSocketMatch{{
			Name:            "mesh",
			Match:           meshMatch(),
			TransportSocket: clientTLS(u.Peers.Identities, clientALPN(u.Protocol)),
		}}
	case mesh || !u.Peers.Plain:
		c.TransportSocket = clientTLS(u.Peers.Identities, clientALPN(u.Protocol))
	}
}

// meshMatch is what a group of endpoints with mesh mTLS carries as metadata.
func meshMatch() *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{"mesh": structpb.NewBoolValue(true)}}
}

// statName is the cluster's name in a form that Envoy's stats keep whole: they end a name at a dot.
func statName(u *ir.Upstream) string {
	return strings.ReplaceAll(ir.ClusterName(u.Service, u.Port, u.Subset), ".", "|")
}

// metadataKey holds what access logs tell of a cluster.
const metadataKey = "outrigger"

func clusterMetadata(u *ir.Upstream) *corev3.Metadata {
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{metadataKey: {
		Fields: map[string]*structpb.Value{
			"service":   structpb.NewStringValue(u.Service.Name),
			"namespace": structpb.NewStringValue(u.Service.Namespace),
		},
	}}}
}

// unlimited lifts Envoy's limits of 1,024 connections and requests and of three retries at a time,
// which an application never had before it got a sidecar. Connections may have a limit of their own.
func unlimited(connections uint32) *clusterv3.CircuitBreakers {
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     number(connections),
		MaxPendingRequests: number(math.MaxUint32),
		MaxRequests:        number(math.MaxUint32),
		MaxRetries:         number(math.MaxUint32),
	}}}
}

// retriesBounded is unlimited but for retries, of which there are as many as requests under way, or minRetries. So
// a service of which nothing is left is not stormed, and a part of it that swallows connections leaves enough of them.
func retriesBounded() *clusterv3.CircuitBreakers {
	breakers := unlimited(math.MaxUint32)
	breakers.Thresholds[0].MaxRetries = nil
	breakers.Thresholds[0].RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
		BudgetPercent: &typev3.Percent{Value: 100}, MinRetryConcurrency: number(minRetries),
	}
	return breakers
}

// ejection counts failures to connect only: an application that answers 500 is there.
func ejection(e ir.Ejection) *clusterv3.OutlierDetection {
	if e.ConsecutiveFailures == 0 {
		return nil
	}
	return &clusterv3.OutlierDetection{
		SplitExternalLocalOriginErrors: true,
		ConsecutiveLocalOriginFailure:  number(e.ConsecutiveFailures),
		Interval:                       duration(e.Interval),
		BaseEjectionTime:               duration(e.BaseTime),
		MaxEjectionPercent:             number(e.MaxPercent),

		EnforcingConsecutive_5Xx:        number(0),
		EnforcingSuccessRate:            number(0),
		EnforcingLocalOriginSuccessRate: number(0),
	}
}
