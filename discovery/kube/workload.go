package kube

import (
	"slices"
	"strings"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// workload is a Workload of outrigger.dev: a machine outside the cluster that
// Services select as they select pods. It is immutable.
type workload struct {
	// machine is nil for an object that cannot be used.
	machine  *machine.Machine
	problems []discovery.Problem
}

func (w *workload) equal(other *workload) bool {
	return w.machine.Equal(other.machine) && slices.Equal(w.problems, other.problems)
}

func (w *workload) loses(next *workload) bool {
	if w.machine == nil {
		return false
	}
	return next == nil || next.machine == nil || next.machine.Model.Health > w.machine.Model.Health
}

// model is what the mesh sees; nil for an object that cannot be used.
func (w *workload) model() *discovery.Workload {
	if w.machine == nil {
		return nil
	}
	return w.machine.Model
}

// readWorkload turns a Workload into the form of the mesh.
func readWorkload(in *interner, from *v1alpha1.Workload) *workload {
	if problems := workloadProblems(from); len(problems) > 0 {
		return &workload{problems: problems}
	}
	m := machine.New(from)
	model := m.Model
	model.ID = discovery.WorkloadID{Namespace: in.string(from.Namespace), Name: strings.Clone(from.Name)}
	model.Origin.Location = strings.Clone(from.ResourceVersion)
	model.Labels = in.labelsOf(from.Labels)
	model.ServiceAccount = in.string(model.ServiceAccount)
	model.Network = in.string(model.Network)
	model.Locality = discovery.Locality{
		Region: in.string(model.Locality.Region), Zone: in.string(model.Locality.Zone), SubZone: in.string(model.Locality.SubZone),
	}
	model.UID = strings.Clone(string(from.UID))
	return &workload{machine: m}
}

func workloadProblems(from *v1alpha1.Workload) []discovery.Problem {
	errs := from.Validate()
	problems := make([]discovery.Problem, 0, len(errs))
	for _, err := range errs {
		problems = append(problems, discovery.Problem{
			Object: discovery.ObjectID{Kind: kindWorkload, Namespace: from.Namespace, Name: from.Name},
			Field:  err.Field, Reason: "Invalid", Message: err.ErrorBody(),
		})
	}
	return problems
}
