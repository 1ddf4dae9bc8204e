package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"outrigger.dev/outrigger/test/cluster/binary"
)

// crds is the resource of which our kinds are objects.
var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// Dynamic asks the API server for objects of any kind, with all rights.
func (k *Kube) Dynamic() (dynamic.Interface, error) {
	config, err := k.Admin().Config()
	if err != nil {
		return nil, err
	}
	return dynamic.NewForConfigAndClient(config, k.http)
}

// ApplyCRDs makes our kinds known (deploy/crds), and waits until the API server serves them.
func (k *Kube) ApplyCRDs(ctx context.Context) error {
	tree, err := binary.Here()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(string(tree), "deploy", "crds", "*.yaml"))
	if err != nil {
		return err
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		objects, err := k.apply(ctx, string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, o := range objects {
			names = append(names, o.GetName())
		}
	}
	return k.awaitEstablished(ctx, names)
}

// DeleteCRDs makes our kinds unknown, and waits until they are; with them go all objects of these kinds.
func (k *Kube) DeleteCRDs(ctx context.Context) error {
	client, err := k.Dynamic()
	if err != nil {
		return err
	}
	return await(ctx, "our kinds are gone", k.apiserver, func(ctx context.Context) error {
		all, err := client.Resource(crds).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, crd := range all.Items {
			if !strings.HasSuffix(crd.GetName(), ".outrigger.dev") {
				continue
			}
			err = errors.Join(err, fmt.Errorf("%s is there", crd.GetName()), client.Resource(crds).Delete(ctx, crd.GetName(), metav1.DeleteOptions{}))
		}
		return err
	})
}

func (k *Kube) awaitEstablished(ctx context.Context, names []string) error {
	client, err := k.Dynamic()
	if err != nil {
		return err
	}
	return await(ctx, "our kinds are served", k.apiserver, func(ctx context.Context) error {
		for _, name := range names {
			crd, err := client.Resource(crds).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if !established(crd) {
				return fmt.Errorf("%s is not established", name)
			}
		}
		return nil
	})
}

func established(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
			return true
		}
	}
	return false
}

// Apply creates or changes the objects of a YAML text, as `kubectl apply --server-side` does. Those
// without a namespace go to default.
func (k *Kube) Apply(ctx context.Context, text string) error {
	_, err := k.apply(ctx, text)
	return err
}

func (k *Kube) apply(ctx context.Context, text string) ([]*unstructured.Unstructured, error) {
	objects, err := parse(text)
	if err != nil {
		return nil, err
	}
	groups, err := restmapper.GetAPIGroupResources(k.client.Discovery())
	if err != nil {
		return nil, err
	}
	client, err := k.Dynamic()
	if err != nil {
		return nil, err
	}
	kinds := restmapper.NewDiscoveryRESTMapper(groups)
	for _, o := range objects {
		resource, err := resourceOf(client, kinds, o)
		if err != nil {
			return nil, err
		}
		if _, err := resource.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
			return nil, fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return objects, nil
}

func resourceOf(client dynamic.Interface, kinds meta.RESTMapper, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := o.GroupVersionKind()
	mapping, err := kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return client.Resource(mapping.Resource), nil
	}
	namespace := o.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return client.Resource(mapping.Resource).Namespace(namespace), nil
}

func parse(text string) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	var all []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(o)
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case len(o.Object) > 0:
			all = append(all, o)
		}
	}
}
