package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/discovery"
)

// The conditions that a Writer writes.
const (
	// ConditionAccepted says whether an object is in use.
	ConditionAccepted = "Accepted"
	// ConditionSourcesHealthy stands on the MeshConfig, and says whether all that the mesh is made of is known to be as it is served.
	ConditionSourcesHealthy = "SourcesHealthy"
)

const (
	// maxNamed is how many problems a message names, maxMessage how many bytes it has at most; an API server takes 32768.
	maxNamed   = 8
	maxMessage = 4096
)

// accepted returns the condition of an object with these problems. It does not depend on their order, so that all replicas say the same.
func accepted(problems []discovery.Problem) metav1.Condition {
	problems = slices.Clone(problems)
	slices.SortFunc(problems, func(a, b discovery.Problem) int {
		return cmp.Or(compareBool(a.Warning, b.Warning), strings.Compare(a.Field, b.Field),
			strings.Compare(a.Reason, b.Reason), strings.Compare(a.Message, b.Message))
	})
	problems = slices.Compact(problems)
	condition := metav1.Condition{
		Type: ConditionAccepted, Status: metav1.ConditionTrue, Reason: "Accepted", Message: "the object is in use",
	}
	if len(problems) == 0 {
		return condition
	}
	if !problems[0].Warning {
		condition.Status = metav1.ConditionFalse
	}
	condition.Reason = cmp.Or(problems[0].Reason, "Invalid")
	condition.Message = message(problems)
	return condition
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// message names the problems, the worst first.
func message(problems []discovery.Problem) string {
	var text strings.Builder
	for i, problem := range problems {
		if i == maxNamed {
			fmt.Fprintf(&text, "; and %d more", len(problems)-maxNamed)
			break
		}
		if i > 0 {
			text.WriteString("; ")
		}
		if problem.Field != "" {
			text.WriteString(problem.Field + ": ")
		}
		text.WriteString(problem.Message)
	}
	return clip(text.String())
}

func clip(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "..."
}

// sourcesHealthy returns the condition of the mesh; no trouble is good news.
func sourcesHealthy(trouble string) metav1.Condition {
	if trouble == "" {
		return metav1.Condition{
			Type: ConditionSourcesHealthy, Status: metav1.ConditionTrue, Reason: "Healthy",
			Message: "every source is read in good order",
		}
	}
	return metav1.Condition{
		Type: ConditionSourcesHealthy, Status: metav1.ConditionFalse, Reason: "Trouble", Message: clip(trouble),
	}
}

// own returns those of an object's conditions that a Writer writes.
func own(conditions []metav1.Condition) []metav1.Condition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c metav1.Condition) bool {
		return c.Type != ConditionAccepted && c.Type != ConditionSourcesHealthy
	})
}

// settled returns the wanted conditions with their times: a time lasts as long as the status. It reports whether they differ
// from those that are there.
func settled(wanted, there []metav1.Condition, now metav1.Time) (conditions []metav1.Condition, differ bool) {
	differ = len(wanted) != len(there)
	for _, want := range wanted {
		want.LastTransitionTime = now
		have := find(there, want.Type)
		if have != nil && have.Status == want.Status {
			want.LastTransitionTime = have.LastTransitionTime
		}
		differ = differ || have == nil || *have != want
		conditions = append(conditions, want)
	}
	return conditions, differ
}

func find(conditions []metav1.Condition, kind string) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == kind {
			return &conditions[i]
		}
	}
	return nil
}
