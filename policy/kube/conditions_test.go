package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
)

func TestAccepted(t *testing.T) {
	bad := discovery.Problem{Field: "spec.peer.mode", Reason: "Missing", Message: "must be Strict"}
	odd := discovery.Problem{Reason: "Overruled", Message: "another goes before it", Warning: true}
	for name, c := range map[string]struct {
		problems []discovery.Problem
		want     metav1.Condition
	}{
		"clean":   {nil, metav1.Condition{Status: "True", Reason: "Accepted", Message: "the object is in use"}},
		"warned":  {[]discovery.Problem{odd}, metav1.Condition{Status: "True", Reason: "Overruled", Message: "another goes before it"}},
		"refused": {[]discovery.Problem{bad}, metav1.Condition{Status: "False", Reason: "Missing", Message: "spec.peer.mode: must be Strict"}},
		"both": {[]discovery.Problem{odd, bad, odd}, metav1.Condition{
			Status: "False", Reason: "Missing", Message: "spec.peer.mode: must be Strict; another goes before it",
		}},
		"without a reason": {[]discovery.Problem{{Message: "is odd"}}, metav1.Condition{Status: "False", Reason: "Invalid", Message: "is odd"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Type = ConditionAccepted
			if got := accepted(c.problems); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestMessagesAreBounded(t *testing.T) {
	var many []discovery.Problem
	for i := range 20 {
		many = append(many, discovery.Problem{Reason: "Bad", Message: fmt.Sprintf("problem %02d", i)})
	}
	if message := accepted(many).Message; !strings.HasSuffix(message, "problem 07; and 12 more") {
		t.Errorf("the message is %q", message)
	}
	long := accepted([]discovery.Problem{{Message: strings.Repeat("ö", 1<<20)}}).Message
	if len(long) > maxMessage+3 || !utf8.ValidString(long) {
		t.Errorf("the message has %d bytes, valid %t", len(long), utf8.ValidString(long))
	}
}

// Replicas find the same in another order.
func TestOrderDecidesNothing(t *testing.T) {
	problem := rapid.Custom(func(t *rapid.T) discovery.Problem {
		word := rapid.SampledFrom([]string{"", "a", "b"})
		return discovery.Problem{
			Field: word.Draw(t, "field"), Reason: word.Draw(t, "reason"), Message: word.Draw(t, "message"), Warning: rapid.Bool().Draw(t, "warning"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		problems := rapid.SliceOf(problem).Draw(t, "problems")
		other := rapid.Permutation(problems).Draw(t, "permutation")
		if a, b := accepted(problems), accepted(other); a != b {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

func TestSettled(t *testing.T) {
	then, now := metav1.NewTime(time.Unix(1000, 0)), metav1.NewTime(time.Unix(2000, 0))
	there := accepted(nil)
	there.ObservedGeneration, there.LastTransitionTime = 1, then
	next := accepted(nil)
	next.ObservedGeneration = 1
	if _, differ := settled([]metav1.Condition{next}, []metav1.Condition{there}, now); differ {
		t.Error("the same condition differs")
	}
	next.ObservedGeneration = 2
	if got, differ := settled([]metav1.Condition{next}, []metav1.Condition{there}, now); !differ || got[0].LastTransitionTime != then {
		t.Errorf("another generation: differs %t, since %s", differ, got[0].LastTransitionTime)
	}
	next.Status = metav1.ConditionFalse
	if got, differ := settled([]metav1.Condition{next}, []metav1.Condition{there}, now); !differ || got[0].LastTransitionTime != now {
		t.Errorf("another status: differs %t, since %s", differ, got[0].LastTransitionTime)
	}
	if _, differ := settled(nil, []metav1.Condition{there}, now); !differ {
		t.Error("a condition too many makes no difference")
	}
}
