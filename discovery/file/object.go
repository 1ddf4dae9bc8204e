package file

import (
	"fmt"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// kindService is the only kind of Kubernetes' own that is read.
const kindService = "Service"

// defaultNamespace is that of objects which name none, as with kubectl.
const defaultNamespace = "default"

// Object is one object of a file. At most one of the pointers is set; what they point at is immutable.
type Object struct {
	ID discovery.ObjectID
	// File and Line say where the object begins.
	File string
	Line int

	MeshConfig           *v1alpha1.MeshConfig
	ProxyConfig          *v1alpha1.ProxyConfig
	AuthenticationPolicy *v1alpha1.AuthenticationPolicy

	// service and workload are a Service and a Workload in the form that the mesh needs, which is much smaller.
	service  *service
	workload *machine.Machine
	// lines are those of the fields that problems with other objects point at, from Line.
	lines map[string]int
}

// Location returns "<file>:<line>".
func (o *Object) Location() string { return fmt.Sprintf("%s:%d", o.File, o.Line) }

// problem makes a problem of a fault; the lines of faults count from line on.
func (f *fault) problem(file string, id discovery.ObjectID, line int) discovery.Problem {
	return discovery.Problem{
		Object:   id,
		Location: fmt.Sprintf("%s:%d", file, line+f.line),
		Field:    f.field,
		Reason:   f.reason,
		Message:  f.message,
		Warning:  f.warning,
	}
}
