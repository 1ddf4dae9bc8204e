package kube

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"outrigger.dev/outrigger/discovery"
)

// LabelProxy says how a pod takes part in the mesh: ProxySidecar or ProxyGRPC.
const LabelProxy = "outrigger.dev/proxy"

// The values of LabelProxy.
const (
	ProxySidecar = "sidecar"
	ProxyGRPC    = "grpc"
)

// pod is a Pod that runs, or will. It is immutable.
type pod struct {
	// workload is what the mesh sees; nil for a pod that has no address yet.
	workload *discovery.Workload
	problems []discovery.Problem
}

func (p *pod) equal(other *pod) bool {
	return p.workload.Equal(other.workload) && slices.Equal(p.problems, other.problems)
}

// loses reports whether the pod serves no longer as it did, once it is next.
func (p *pod) loses(next *pod) bool {
	if p.workload == nil {
		return false
	}
	return next == nil || next.workload == nil || next.workload.UID != p.workload.UID || next.workload.Health > p.workload.Health
}

// readPod turns a Pod into the form of the mesh; nil says that it has run its
// course. Where it runs is added by the world, which knows the nodes.
func readPod(in *interner, from *corev1.Pod) *pod {
	if from.Status.Phase == corev1.PodSucceeded || from.Status.Phase == corev1.PodFailed {
		return nil
	}
	id := discovery.WorkloadID{Namespace: in.string(from.Namespace), Name: strings.Clone(from.Name)}
	p := &pod{}
	proxy := from.Labels[LabelProxy]
	if proxy != "" && proxy != ProxySidecar && proxy != ProxyGRPC {
		p.problems = []discovery.Problem{{
			Object: discovery.ObjectID{Kind: kindPod, Namespace: id.Namespace, Name: id.Name}, Field: "metadata.labels[" + LabelProxy + "]",
			Reason: "Unsupported", Warning: true,
			Message: fmt.Sprintf("%q is not known here, the pod counts as one without a proxy: write %s or %s, or remove the label",
				shorten(proxy), ProxySidecar, ProxyGRPC),
		}}
	}
	addresses := podAddresses(from)
	if len(addresses) == 0 {
		return p
	}
	p.workload = &discovery.Workload{
		ID: id, Origin: discovery.Origin{Kind: kindPod}, Addresses: addresses, Labels: in.labelsOf(from.Labels),
		ServiceAccount: in.string(cmp.Or(from.Spec.ServiceAccountName, "default")),
		Sidecar:        proxy == ProxySidecar, Proxyless: proxy == ProxyGRPC,
		UID: strings.Clone(string(from.UID)), Node: in.string(from.Spec.NodeName),
		HostNetwork: from.Spec.HostNetwork,
	}
	p.workload.Health = podHealth(from)
	return p
}

// podHealth is that of a pod which says whether it is ready.
func podHealth(from *corev1.Pod) discovery.Health {
	if from.DeletionTimestamp != nil {
		return discovery.Draining
	}
	if slices.ContainsFunc(from.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionFalse
	}) {
		return discovery.Unhealthy
	}
	return discovery.Healthy
}

func podAddresses(from *corev1.Pod) []netip.Addr {
	texts := from.Status.PodIPs
	if len(texts) == 0 && from.Status.PodIP != "" {
		texts = []corev1.PodIP{{IP: from.Status.PodIP}}
	}
	addresses := make([]netip.Addr, 0, len(texts))
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text.IP); err == nil {
			addresses = append(addresses, addr.Unmap())
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}

// at returns the pod with the place of its node.
func (p *pod) at(locality discovery.Locality) *pod {
	if p.workload == nil || p.workload.Locality == locality {
		return p
	}
	workload := *p.workload
	workload.Locality = locality
	return &pod{workload: &workload, problems: p.problems}
}
