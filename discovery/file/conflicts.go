package file

import (
	"fmt"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// problemsOf lists what is wrong with a file: by itself, and among the others.
func (m *mesh) problemsOf(file string) []discovery.Problem {
	var found []discovery.Problem
	for _, object := range m.files[file] {
		if first := m.claims[object.ID][0]; first != object {
			found = append(found, duplicateOf(object, first))
			continue
		}
		for _, conflict := range m.objectProblems[object.ID] {
			found = append(found, conflict.problem(object))
		}
	}
	return slices.Concat(m.fileProblems[file], limited(file, found))
}

// duplicateOf says that another file has the object already. It names that file without a line, which may move.
func duplicateOf(object, first *Object) discovery.Problem {
	return discovery.Problem{
		Object:   object.ID,
		Location: object.Location(),
		Field:    "metadata.name",
		Reason:   "Duplicate",
		Message: fmt.Sprintf("%s has this object already and goes before %s because its name sorts first: remove one of the two",
			first.File, object.File),
	}
}

func (c *conflict) problem(object *Object) discovery.Problem {
	return discovery.Problem{
		Object:   object.ID,
		Location: fmt.Sprintf("%s:%d", object.File, object.Line+object.lines[c.field]),
		Field:    c.field,
		Reason:   c.reason,
		Message:  c.message,
		Warning:  c.warning,
	}
}
