package policykube_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
	policykube "outrigger.dev/outrigger/policy/kube"
)

// replica is a control plane as far as a Writer needs one: it reads policies, compiles them, and tells what it found.
type replica struct {
	*policykube.Writer
	stop func()
}

// run runs a replica until the test ends, or until stop.
func runReplica(t *testing.T, name string, config *rest.Config) *replica {
	t.Helper()
	writer, err := policykube.NewWriter(policykube.WriterConfig{
		REST: config, Logger: logger(t).With("replica", name), Identity: name,
		LeaseDuration: 3 * time.Second, Settle: 200 * time.Millisecond, Retry: time.Second,
	})
	must(t, err)
	source, err := policykube.New(policykube.Config{Name: "kubernetes", REST: config, Logger: logger(t), Retry: time.Second})
	must(t, err)
	compiler, err := compile.New(compile.Config{TrustDomain: "cluster.local"})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	updates := make(chan compile.Update)
	done := make(chan error, 3)
	go func() { done <- writer.Run(ctx) }()
	go func() { done <- source.Run(ctx, updates) }()
	go func() {
		for {
			select {
			case <-ctx.Done():
				done <- ctx.Err()
				return
			case update := <-updates:
				_, problems := compiler.Apply(update.Objects)
				writer.Set("rules", problems)
				writer.Set("objects", update.Problems)
				writer.Took(update.Objects)
			}
		}
	}()
	stopped := false
	r := &replica{Writer: writer, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 3 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("a part of %s ended with %v", name, err)
			}
		}
	}}
	t.Cleanup(r.stop)
	return r
}

// accepted is the condition Accepted of an object in short: status, reason and generation.
func accepted(t *testing.T, id discovery.ObjectID) string {
	t.Helper()
	c, ok := conditions(t, id)["Accepted"]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s %s %d", c.Status, c.Reason, c.ObservedGeneration)
}

func awaitAccepted(t *testing.T, id discovery.ObjectID, want string) {
	t.Helper()
	got := ""
	defer func() {
		if t.Failed() {
			t.Logf("%s is %q, want %q", id, got, want)
		}
	}()
	await(t, id.String()+" is "+want, func() bool { got = accepted(t, id); return got == want })
}

func TestConditionsOfAllKinds(t *testing.T) {
	clean(t)
	for _, text := range []string{meshText, proxyText, strictText, otherText, vmText} {
		apply(t, text)
	}
	r := runReplica(t, "a", outrigger(t))
	for _, id := range []discovery.ObjectID{meshID, proxyID, strictID, otherID, vmID} {
		awaitAccepted(t, id, "True Accepted 1")
	}

	t.Run("what the core finds", func(t *testing.T) {
		r.Set("core", map[discovery.ObjectID][]discovery.Problem{
			vmID:    {{Object: vmID, Field: "spec.addresses[0]", Reason: "Duplicate", Message: "is that of another"}},
			proxyID: {{Object: proxyID, Reason: "Unused", Message: "selects nobody", Warning: true}},
		})
		awaitAccepted(t, vmID, "False Duplicate 1")
		awaitAccepted(t, proxyID, "True Unused 1")
		if message := conditions(t, vmID)["Accepted"].Message; message != "spec.addresses[0]: is that of another" {
			t.Errorf("the message is %q", message)
		}
		r.Set("core", map[discovery.ObjectID][]discovery.Problem{vmID: nil, proxyID: nil})
		awaitAccepted(t, vmID, "True Accepted 1")
		awaitAccepted(t, proxyID, "True Accepted 1")
	})

	t.Run("what the compiler finds", func(t *testing.T) {
		patch(t, meshID, `{"spec": {"trustDomain": "other.example"}}`)
		awaitAccepted(t, meshID, "False Invalid 2")
		remove(t, meshID)
		apply(t, meshText)
		awaitAccepted(t, meshID, "True Accepted 1")
	})

	t.Run("a good change", func(t *testing.T) {
		before := conditions(t, strictID)["Accepted"].LastTransitionTime
		patch(t, strictID, `{"spec": {"peer": {"mode": "Permissive"}}}`)
		awaitAccepted(t, strictID, "True Accepted 2")
		if after := conditions(t, strictID)["Accepted"].LastTransitionTime; !after.Equal(&before) {
			t.Errorf("the time of the transition moved from %s to %s", before, after)
		}
	})

	t.Run("the sources", func(t *testing.T) {
		r.SetSources("kubernetes/east: the API server does not answer; 12 endpoints are held")
		await(t, "the trouble is shown", func() bool {
			c := conditions(t, meshID)["SourcesHealthy"]
			return c.Status == metav1.ConditionFalse && strings.Contains(c.Message, "12 endpoints are held") && c.Reason == "Trouble"
		})
		r.SetSources("")
		await(t, "the trouble is over", func() bool {
			return conditions(t, meshID)["SourcesHealthy"].Status == metav1.ConditionTrue
		})
	})
}

// Who comes after a writer finds everything in order, and writes nothing.
func TestRestartWritesNothing(t *testing.T) {
	clean(t)
	for _, text := range []string{meshText, proxyText, strictText, vmText} {
		apply(t, text)
	}
	ids := []discovery.ObjectID{meshID, proxyID, strictID, vmID}
	first := runReplica(t, "a", outrigger(t))
	first.SetSources("")
	for _, id := range ids {
		awaitAccepted(t, id, "True Accepted 1")
	}
	await(t, "the sources are healthy", func() bool { return conditions(t, meshID)["SourcesHealthy"].Status == metav1.ConditionTrue })
	// The API server shows a write before whoever wrote has read the answer.
	await(t, "the writes are counted", func() bool { return first.Writes() >= 4 })
	first.stop()
	if writes := first.Writes(); writes > 5 {
		t.Errorf("%d writes for 4 objects", writes)
	}
	before := make(map[discovery.ObjectID]string)
	for _, id := range ids {
		before[id] = get(t, id).GetResourceVersion()
	}
	second := runReplica(t, "b", outrigger(t))
	await(t, "the next one leads", second.Leading)
	apply(t, otherText)
	awaitAccepted(t, otherID, "True Accepted 1")
	second.SetSources("")
	patch(t, otherID, `{"spec": {"peer": {"mode": "Strict"}}}`)
	awaitAccepted(t, otherID, "True Accepted 2")
	for _, id := range ids {
		if after := get(t, id).GetResourceVersion(); after != before[id] {
			t.Errorf("%s was written again", id)
		}
	}
	await(t, "the writes are counted", func() bool { return second.Writes() >= 2 })
	if writes := second.Writes(); writes != 2 {
		t.Errorf("%d writes, want 2", writes)
	}
}

// Of two replicas one writes, and the other one takes over when it goes.
func TestOneOfTwoWrites(t *testing.T) {
	clean(t)
	apply(t, strictText)
	a := runReplica(t, "a", outrigger(t))
	await(t, "the first leads", a.Leading)
	b := runReplica(t, "b", outrigger(t))
	awaitAccepted(t, strictID, "True Accepted 1")
	problem := map[discovery.ObjectID][]discovery.Problem{strictID: {{Object: strictID, Reason: "Wrong", Message: "is wrong"}}}
	b.Set("core", problem)
	patch(t, strictID, `{"spec": {"peer": {"mode": "Permissive"}}}`)
	awaitAccepted(t, strictID, "True Accepted 2")
	if b.Leading() || b.Writes() > 0 {
		t.Errorf("the second one writes: leads %t, %d writes", b.Leading(), b.Writes())
	}
	a.stop()
	begun := time.Now()
	awaitAccepted(t, strictID, "False Wrong 2")
	// The lease was given back: nobody has to wait until it runs out.
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("taking over took %s", took)
	}
	if b.Writes() != 1 || !b.Leading() {
		t.Errorf("%d writes by the second one, want 1", b.Writes())
	}
}

// What others say of an object stays, and what they say in place of the control plane does not.
func TestConditionsOfOthers(t *testing.T) {
	clean(t)
	apply(t, strictText)
	runReplica(t, "a", outrigger(t))
	awaitAccepted(t, strictID, "True Accepted 1")
	patch(t, strictID, `{"status": {"conditions": [
		{"type": "Reviewed", "status": "True", "reason": "Read", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
		{"type": "Accepted", "status": "False", "reason": "Forged", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}`, "status")
	awaitAccepted(t, strictID, "True Accepted 1")
	if c := conditions(t, strictID)["Reviewed"]; c.Reason != "Read" {
		t.Errorf("the condition of another is %+v", c)
	}
}

// A problem that comes and goes all the time is no reason to write all the time.
func TestNoWriteStorm(t *testing.T) {
	clean(t)
	apply(t, vmText)
	r := runReplica(t, "a", outrigger(t))
	awaitAccepted(t, vmID, "True Accepted 1")
	begun := time.Now()
	for i := 0; time.Since(begun) < 2*time.Second; i++ {
		r.Set("core", map[discovery.ObjectID][]discovery.Problem{vmID: {{Object: vmID, Reason: "Flapping", Message: fmt.Sprint(i)}}})
		r.Set("core", map[discovery.ObjectID][]discovery.Problem{vmID: nil})
	}
	r.Set("core", map[discovery.ObjectID][]discovery.Problem{vmID: {{Object: vmID, Reason: "Final", Message: "the end"}}})
	awaitAccepted(t, vmID, "False Final 1")
	if writes := r.Writes(); writes > 15 {
		t.Errorf("%d writes in 2 s for one object, want one per 200 ms at most", writes)
	}
}

// An outage ends the term of the holder; then it writes what it found meanwhile.
func TestStatusAfterOutage(t *testing.T) {
	clean(t)
	apply(t, strictText)
	r := runReplica(t, "a", outrigger(t))
	awaitAccepted(t, strictID, "True Accepted 1")
	kube.KillAPIServer()
	r.Set("core", map[discovery.ObjectID][]discovery.Problem{strictID: {{Object: strictID, Reason: "Late", Message: "was found in the dark"}}})
	await(t, "the lease is lost", func() bool { return !r.Leading() })
	must(t, kube.StartAPIServer(t.Context()))
	awaitAccepted(t, strictID, "False Late 1")
}

// An object that does not decode is told to its owner all the same.
func TestStatusOfUndecodable(t *testing.T) {
	clean(t)
	apply(t, strictText)
	apply(t, looseDefinition(t))
	runReplica(t, "a", outrigger(t))
	awaitAccepted(t, strictID, "True Accepted 1")
	await(t, "the definition is loose", func() bool {
		_, err := resource(t, strictID).Patch(t.Context(), strictID.Name, "application/merge-patch+json",
			[]byte(`{"spec": {"peer": {"ports": "all"}}}`), metav1.PatchOptions{})
		return err == nil
	})
	awaitAccepted(t, strictID, "False Undecodable 2")
}
