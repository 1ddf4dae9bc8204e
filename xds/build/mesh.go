package build

import (
	"fmt"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/translate"
)

// mesh is what is kept of the rules for the whole mesh.
type mesh struct {
	rules []*policy.MeshRule
	// rule is the one that counts, or nil.
	rule      *policy.MeshRule
	capture   ir.Capture
	capturing output
	problems  []discovery.Problem

	dirty, captureDirty bool
}

// storeMesh keeps a mesh rule; nil takes it away.
func (b *Builder) storeMesh(id discovery.ObjectID, rule *policy.MeshRule) {
	b.mesh.rules = slices.DeleteFunc(b.mesh.rules, func(r *policy.MeshRule) bool { return r.Object == id })
	if rule != nil {
		b.mesh.rules = append(b.mesh.rules, rule)
	}
	b.mesh.dirty = true
}

// resolveMesh finds the mesh rule that counts.
func (b *Builder) resolveMesh() {
	if !b.mesh.dirty {
		return
	}
	b.mesh.dirty = false
	was := b.mesh.rule
	b.mesh.rule = policy.PickMesh(b.mesh.rules)
	b.ledger.replace(&b.mesh.problems, b.mesh.others())
	if policy.ModeOf(was, nil, 0) != policy.ModeOf(b.mesh.rule, nil, 0) {
		b.walkMeshToWorkloads()
	}
	b.walkMeshToCapture()
}

// others says which mesh rules do not count.
func (m *mesh) others() []discovery.Problem {
	var problems []discovery.Problem
	for _, r := range m.rules {
		if r != m.rule {
			problems = append(problems, discovery.Problem{
				Object: r.Object, Reason: "Duplicate",
				Message: fmt.Sprintf("%s says what is true of the whole mesh already: put everything there and remove this one", m.rule.Object),
			})
		}
	}
	return problems
}

// resolveCapture brings what every capturing proxy has once up to date.
func (b *Builder) resolveCapture() {
	if !b.mesh.captureDirty {
		return
	}
	b.mesh.captureDirty = false
	capture, object := ir.Capture{Unknown: policy.DefaultUnknown}, discovery.ObjectID{}
	if rule := b.mesh.rule; rule != nil {
		capture, object = ir.Capture{Unknown: rule.UnknownDestinations}, rule.Object
	}
	from := newOrigin(object, "")
	if b.mesh.capturing.resources != nil && capture == b.mesh.capture && from == b.mesh.capturing.from {
		return
	}
	b.mesh.capture = capture
	b.publish(CaptureLayer, &b.mesh.capturing, from, translate.Capture(capture)...)
}
