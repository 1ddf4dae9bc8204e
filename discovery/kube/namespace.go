package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"outrigger.dev/outrigger/discovery"
)

// readNamespace turns a Namespace into the form of the mesh.
func readNamespace(in *interner, from *corev1.Namespace) *discovery.Namespace {
	return &discovery.Namespace{
		Name: strings.Clone(from.Name), Labels: in.labelsOf(from.Labels),
		Terminating: from.DeletionTimestamp != nil || from.Status.Phase == corev1.NamespaceTerminating,
	}
}
