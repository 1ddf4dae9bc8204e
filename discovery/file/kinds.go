package file

import (
	"reflect"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// object reads the object of a document; what is wrong with it is among the decoder's faults.
func (d *decoder) object(root *yaml.Node) *Object {
	object := &Object{Line: root.Line}
	root = follow(root)
	if root.Kind != yaml.MappingNode {
		d.fault(root, nil, "WrongType", "must be an object with apiVersion, kind, metadata and spec, not "+kindOf(root))
		return object
	}
	version, kind := d.head(root, "apiVersion"), d.head(root, "kind")
	if version == "" || kind == "" {
		return object
	}
	object.ID.Kind = kind
	group := v1alpha1.GroupVersion().String()
	switch {
	case version == "v1" && kind == kindService:
		d.service(root, object)
	case version == group && kind == v1alpha1.KindWorkload:
		var from v1alpha1.Workload
		d.namespaced(root, object, &from, &from.ObjectMeta)
		object.workload = machine.New(&from)
	case version == group && kind == v1alpha1.KindProxyConfig:
		object.ProxyConfig = new(v1alpha1.ProxyConfig)
		d.namespaced(root, object, object.ProxyConfig, &object.ProxyConfig.ObjectMeta)
	case version == group && kind == v1alpha1.KindAuthenticationPolicy:
		object.AuthenticationPolicy = new(v1alpha1.AuthenticationPolicy)
		d.namespaced(root, object, object.AuthenticationPolicy, &object.AuthenticationPolicy.ObjectMeta)
	case version == group && kind == v1alpha1.KindMeshConfig:
		object.MeshConfig = new(v1alpha1.MeshConfig)
		d.read(root, object, object.MeshConfig, &object.MeshConfig.ObjectMeta)
		d.validate(root, object.MeshConfig.Validate())
	default:
		d.unknownKind(root, version, kind)
	}
	return object
}

// head returns apiVersion or kind, which say how to read the rest.
func (d *decoder) head(root *yaml.Node, name string) string {
	_, value := find(root, name)
	if value == nil {
		d.fault(root, field.NewPath(name), "Missing", "write apiVersion: "+v1alpha1.GroupVersion().String()+
			" and a kind of it, or apiVersion: v1 and kind: Service")
		return ""
	}
	var text string
	d.decode(value, reflect.ValueOf(&text).Elem(), field.NewPath(name))
	if text == "" && len(d.faults) == 0 {
		d.fault(value, field.NewPath(name), "Missing", "must not be empty")
	}
	return text
}

func (d *decoder) unknownKind(root *yaml.Node, version, kind string) {
	key, _ := find(root, "kind")
	d.fault(key, field.NewPath("kind"), "UnknownKind", "files do not hold "+kind+" of "+version+
		"; they hold Service of v1, and Workload, ProxyConfig, MeshConfig and AuthenticationPolicy of "+
		v1alpha1.GroupVersion().String())
}

// validated is an object that says what is wrong with it.
type validated interface{ Validate() field.ErrorList }

// namespaced reads and validates an object that stands in a namespace.
func (d *decoder) namespaced(root *yaml.Node, object *Object, into validated, meta *metav1.ObjectMeta) {
	meta.Namespace = defaultNamespace
	d.read(root, object, into, meta)
	d.validate(root, into.Validate())
}

// read decodes the whole object and names it.
func (d *decoder) read(root *yaml.Node, object *Object, into any, meta *metav1.ObjectMeta) {
	d.decode(root, reflect.ValueOf(into).Elem(), nil)
	object.ID = discovery.ObjectID{Kind: object.ID.Kind, Namespace: meta.Namespace, Name: meta.Name}
}

// validate adds what is wrong with the values. Where fields could not be read, only those are told: they are
// empty, and what is said of empty fields would mislead.
func (d *decoder) validate(root *yaml.Node, errs field.ErrorList) {
	if len(d.faults) > 0 {
		return
	}
	for _, err := range errs {
		d.faults = append(d.faults, fault{
			line: lineOf(root, err.Field), field: err.Field, reason: v1alpha1.Reason(err), message: err.ErrorBody(),
		})
	}
}
