package compile

import (
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
)

// group names the rules that select the very same workloads with equal
// precedence, so that only one of them is in use: kind, namespace and labels.
type group struct {
	kind      string
	namespace string
	labels    string
}

func groupOf(kind string, selector policy.Selector) group {
	var labels strings.Builder
	for _, label := range selector.Labels {
		labels.WriteString(label.Key + "=" + label.Value + ",")
	}
	return group{kind: kind, namespace: selector.Namespace, labels: labels.String()}
}

func (c *Compiler) join(id discovery.ObjectID, to group) {
	if to == (group{}) {
		return
	}
	if c.groups[to] == nil {
		c.groups[to] = make(map[discovery.ObjectID]bool)
	}
	c.groups[to][id] = true
}

func (c *Compiler) leave(id discovery.ObjectID, from group) {
	delete(c.groups[from], id)
	if len(c.groups[from]) == 0 {
		delete(c.groups, from)
	}
}

// winner returns the object of a group whose rule is in use: the first by name.
func (c *Compiler) winner(of group) discovery.ObjectID {
	var first discovery.ObjectID
	for id := range c.groups[of] {
		if first == (discovery.ObjectID{}) || id.Compare(first) < 0 {
			first = id
		}
	}
	return first
}
