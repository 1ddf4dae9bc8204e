package kube

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"outrigger.dev/outrigger/discovery"
)

// readNode turns a Node into the form of the mesh.
func readNode(in *interner, from *corev1.Node) *discovery.Node {
	return &discovery.Node{
		Name: strings.Clone(from.Name),
		Ready: slices.ContainsFunc(from.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}),
		Locality: discovery.Locality{
			Region: in.string(from.Labels[corev1.LabelTopologyRegion]),
			Zone:   in.string(from.Labels[corev1.LabelTopologyZone]),
		},
	}
}
