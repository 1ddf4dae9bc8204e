package compile

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// problems returns the lists of those objects whose problems are not what was told before.
func (c *Compiler) problems(touched map[discovery.ObjectID]bool) Problems {
	changed := make(Problems)
	for id := range touched {
		found := c.problemsOf(id)
		if slices.Equal(found, c.told[id]) {
			continue
		}
		changed[id] = found
		if c.told[id] = found; len(found) == 0 {
			delete(c.told, id)
		}
	}
	return changed
}

func (c *Compiler) problemsOf(id discovery.ObjectID) []discovery.Problem {
	known := c.objects[id]
	if known == nil {
		return nil
	}
	found := make([]discovery.Problem, 0, len(known.rejected)+1)
	for _, err := range known.rejected {
		found = append(found, known.problem(id, err))
	}
	if winner := c.winner(known.group); known.group != (group{}) && winner != id {
		found = append(found, c.overruled(id, winner))
	}
	return found
}

// problem says what is wrong with a field, and what is in use in spite of it.
func (o *object) problem(id discovery.ObjectID, err *field.Error) discovery.Problem {
	consequence := "; the object is not in use"
	if o.rule != nil {
		consequence = "; its last good version stays in use"
	}
	return discovery.Problem{
		Object:   id,
		Location: o.location,
		Field:    err.Field,
		Reason:   v1alpha1.Reason(err),
		Message:  err.ErrorBody() + consequence,
	}
}

// overruled says that another object selects the same workloads and goes before this one.
func (c *Compiler) overruled(id, winner discovery.ObjectID) discovery.Problem {
	name := winner.String()
	if location := c.objects[winner].location; location != "" {
		name += " (" + location + ")"
	}
	return discovery.Problem{
		Object:   id,
		Location: c.objects[id].location,
		Field:    "spec.selector",
		Reason:   "Overruled",
		Message: "selects the same workloads as " + name +
			", which goes before it because its name sorts first: put both into one object",
		Warning: true,
	}
}
