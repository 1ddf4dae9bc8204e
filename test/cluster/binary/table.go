package binary

import "fmt"

// Binary is a program that is built from a Go module.
type Binary struct {
	// Name is that of the program and of its file.
	Name string
	// Recipe is the folder under .ci/cluster with the go.mod and go.sum that it is built with.
	Recipe string
	// Module is the module that it comes from, whose version it has.
	Module string
	// Package is its main package.
	Package string
	// Tags are the build tags, separated by commas.
	Tags string
	// Stamp is the package whose variables gitVersion, gitMajor, gitMinor and
	// gitTreeState tell the program its version. Empty: it knows.
	Stamp string
}

// All are the programs, in the order in which they are built: those that are quick to build come first.
func All() []Binary {
	return []Binary{
		{Name: "etcd", Recipe: "etcd", Module: "go.etcd.io/etcd/server/v3", Package: "go.etcd.io/etcd/server/v3"},
		{Name: "consul", Recipe: "consul", Module: "github.com/hashicorp/consul", Package: "github.com/hashicorp/consul"},
		kubernetes("kube-apiserver"),
		kubernetes("kube-controller-manager"),
	}
}

func kubernetes(name string) Binary {
	return Binary{
		Name: name, Recipe: "kubernetes", Module: "k8s.io/kubernetes", Package: "k8s.io/kubernetes/cmd/" + name,
		Stamp: "k8s.io/component-base/version",
	}
}

// named finds a program by its name.
func named(name string) (Binary, error) {
	for _, b := range All() {
		if b.Name == name {
			return b, nil
		}
	}
	return Binary{}, fmt.Errorf("no program %q is known to test/cluster/binary", name)
}
