package policykube_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	policykube "outrigger.dev/outrigger/policy/kube"
	"outrigger.dev/outrigger/test/relay"
)

func TestFullStateThenChanges(t *testing.T) {
	clean(t)
	apply(t, meshText)
	apply(t, strictText)
	r := read(t, outrigger(t))
	r.until("the full state", func() bool { return r.synced == 1 })
	if len(r.objects) != 2 || r.told != 1 {
		t.Errorf("%d updates told %v, want one with both objects", r.told, r.places)
	}
	if mode := r.objects[meshID].(*v1alpha1.MeshConfig).Spec.MTLS.DefaultMode; mode != v1alpha1.MTLSStrict {
		t.Errorf("the mode is %q", mode)
	}
	if r.places[strictID] != "generation 1" {
		t.Errorf("the policy stands at %q", r.places[strictID])
	}

	apply(t, proxyText)
	r.until("a new object", func() bool { return r.objects[proxyID] != nil })
	patch(t, strictID, `{"spec": {"peer": {"mode": "Permissive"}}}`)
	r.until("a change", func() bool { return r.places[strictID] == "generation 2" })
	if mode := r.objects[strictID].(*v1alpha1.AuthenticationPolicy).Spec.Peer.Mode; mode != v1alpha1.MTLSPermissive {
		t.Errorf("the mode is %q", mode)
	}

	patch(t, strictID, `{"status": {"conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
		"lastTransitionTime": "2026-01-01T00:00:00Z"}]}}`, "status")
	patch(t, strictID, `{"metadata": {"annotations": {"note": "nobody reads it"}}}`)
	r.quiet(time.Second)

	remove(t, proxyID)
	remove(t, strictID)
	r.until("what is gone", func() bool { return len(r.objects) == 1 })
	if r.synced != 1 || r.troubled != 0 {
		t.Errorf("synced %d times, trouble %d times", r.synced, r.troubled)
	}
	if stats := r.source.Stats(); stats.Wakes == stats.IdleWakes || stats.Errors != 0 || time.Since(stats.ReadAt) > limit {
		t.Errorf("the stats are %+v", stats)
	}
}

// What comes and goes while nobody receives is told as it is at last.
func TestChangesMerge(t *testing.T) {
	clean(t)
	r := read(t, outrigger(t))
	r.until("the full state", func() bool { return r.synced == 1 })
	read := r.source.Stats().Wakes
	apply(t, strictText)
	patch(t, strictID, `{"spec": {"peer": {"mode": "Disabled"}}}`)
	remove(t, strictID)
	apply(t, otherText)
	await(t, "all is read", func() bool { return r.source.Stats().Wakes >= read+4 })
	r.until("the last one", func() bool { return r.objects[otherID] != nil })
	if len(r.objects) != 1 || r.told != 2 {
		t.Errorf("%d updates told %v, want one after the first", r.told, r.places)
	}
}

func TestKindsAreInstalledLater(t *testing.T) {
	clean(t)
	must(t, kube.DeleteCRDs(t.Context()))
	r := read(t, outrigger(t))
	r.until("an empty state", func() bool { return r.synced == 1 })
	must(t, kube.ApplyCRDs(t.Context()))
	apply(t, strictText)
	apply(t, meshText)
	r.until("both objects", func() bool { return len(r.objects) == 2 })
	if r.troubled > 0 {
		t.Error("a kind that is not installed yet was told as trouble")
	}
}

// When a definition goes, the API server deletes every object of its kind, one by one, as a user would.
func TestKindsVanish(t *testing.T) {
	clean(t)
	apply(t, strictText)
	apply(t, otherText)
	apply(t, meshText)
	r := read(t, outrigger(t))
	r.until("the full state", func() bool { return r.synced == 1 })
	must(t, kube.DeleteCRDs(t.Context()))
	r.until("trouble with every kind", func() bool {
		return r.trouble != nil && strings.Count(r.trouble.Error(), "no such CustomResourceDefinition") == 3
	})
	if len(r.objects) != 3 {
		t.Errorf("%d objects are left, want all 3", len(r.objects))
	}
	r.quiet(3 * time.Second)

	must(t, kube.ApplyCRDs(t.Context()))
	apply(t, strictText)
	r.until("the end of the trouble", func() bool { return r.trouble == nil && len(r.objects) == 1 })
}

func TestAPIServerIsGone(t *testing.T) {
	clean(t)
	apply(t, strictText)
	r := read(t, outrigger(t))
	r.until("the full state", func() bool { return r.synced == 1 })
	kube.KillAPIServer()
	r.until("trouble", func() bool { return r.trouble != nil })
	must(t, kube.StartAPIServer(t.Context()))
	r.until("the end of the trouble", func() bool { return r.trouble == nil })
	r.quiet(time.Second)
	if len(r.objects) != 1 || r.places[strictID] != "generation 1" {
		t.Errorf("told are %v", r.places)
	}
	remove(t, strictID)
	r.until("a deletion after it", func() bool { return len(r.objects) == 0 })
	if stats := r.source.Stats(); stats.Errors == 0 || stats.Resets == 0 {
		t.Errorf("the stats are %+v", stats)
	}
}

// A cluster that is restored from an older state has lost what came since: that is told, after a warning.
func TestClusterIsRestored(t *testing.T) {
	clean(t)
	apply(t, otherText)
	state, err := kube.SaveState(t.Context())
	must(t, err)
	apply(t, strictText)
	// An API server that starts writes a few objects of its own, which must not hide how much is lost.
	for i := range 200 {
		patch(t, strictID, fmt.Sprintf(`{"metadata": {"annotations": {"note": "%d"}}}`, i))
	}
	r := read(t, outrigger(t))
	r.until("the full state", func() bool { return r.synced == 1 && len(r.objects) == 2 })
	must(t, kube.RestoreState(t.Context(), state))
	warned := false
	r.until("what is lost", func() bool {
		warned = warned || r.trouble != nil && strings.Contains(r.trouble.Error(), "came back with an older state")
		return len(r.objects) == 1
	})
	if !warned {
		t.Error("the loss was told without a word that the cluster is older")
	}
}

func TestNoRights(t *testing.T) {
	clean(t)
	apply(t, strictText)
	access, err := kube.AddAccount(t.Context(), "outrigger-system", "nobody")
	must(t, err)
	config, err := access.Config()
	must(t, err)
	r := read(t, config)
	// Of three kinds, and of the namespace that names the cluster.
	r.until("trouble", func() bool { return r.trouble != nil && strings.Count(r.trouble.Error(), "forbidden: ") == 4 })
	if r.synced > 0 {
		t.Error("synced without rights")
	}
	must(t, kube.SetRules(t.Context(), "outrigger-system", "nobody", rights(t)...))
	r.until("the full state", func() bool { return r.synced == 1 && r.trouble == nil && len(r.objects) == 1 })
}

// rights are those of deploy/rbac.
func rights(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/rbac/clusterrole.yaml")
	must(t, err)
	var role rbacv1.ClusterRole
	must(t, yaml.Unmarshal([]byte(strings.Split(string(text), "\n---\n")[0]), &role))
	return role.Rules
}

func TestNoAuthentication(t *testing.T) {
	config := outrigger(t)
	config.BearerToken = "not a token"
	r := read(t, config)
	r.until("trouble", func() bool { return r.trouble != nil && apierrors.IsUnauthorized(errorOf(r.trouble)) })
	if r.synced > 0 {
		t.Error("synced without authentication")
	}
}

// errorOf is the first of joined errors.
func errorOf(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()[0]
	}
	return err
}

// An older definition lets values pass that do not fit the types.
func TestUndecodableObjects(t *testing.T) {
	clean(t)
	apply(t, strictText)
	apply(t, looseDefinition(t))
	// The API server serves the new schema a moment after it took it.
	bad := `{"spec": {"peer": {"mode": "Strict", "ports": "all of them"}}}`
	await(t, "the definition is loose", func() bool {
		_, err := resource(t, strictID).Patch(t.Context(), strictID.Name, types.MergePatchType, []byte(bad),
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return err == nil
	})
	r := read(t, outrigger(t))
	r.until("the full state", func() bool { return r.synced == 1 })
	patch(t, strictID, bad)
	r.until("the problem", func() bool { return len(r.wrong[strictID]) == 1 })
	if problem := r.wrong[strictID][0]; problem.Reason != "Undecodable" || problem.Location != "generation 2" || problem.Warning {
		t.Errorf("the problem is %+v", problem)
	}
	if r.objects[strictID] == nil || r.places[strictID] != "generation 1" {
		t.Errorf("the last good one is not in use: %v", r.places)
	}
	patch(t, strictID, `{"spec": {"peer": {"ports": null}}}`)
	r.until("the end of the problem", func() bool { return len(r.wrong[strictID]) == 0 && r.places[strictID] == "generation 3" })
}

// looseDefinition is the definition of AuthenticationPolicy without a schema.
func looseDefinition(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/crds/outrigger.dev_authenticationpolicies.yaml")
	must(t, err)
	var crd map[string]any
	must(t, yaml.Unmarshal(text, &crd))
	version := crd["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
	version["schema"] = map[string]any{"openAPIV3Schema": map[string]any{
		"type": "object", "x-kubernetes-preserve-unknown-fields": true,
	}}
	loose, err := yaml.Marshal(crd)
	must(t, err)
	return string(loose)
}

// Removals of many objects are told, one and all, and none twice.
func TestManyObjects(t *testing.T) {
	clean(t)
	const many = 300
	for i := range many {
		apply(t, fmt.Sprintf(`
apiVersion: outrigger.dev/v1alpha1
kind: AuthenticationPolicy
metadata: {name: p-%d, namespace: shop}
spec: {selector: {matchLabels: {app: a-%d}}, peer: {mode: Strict}}
`, i, i))
	}
	r := read(t, outrigger(t))
	r.until("the full state", func() bool { return r.synced == 1 })
	if len(r.objects) != many || r.told != 1 {
		t.Errorf("%d updates with %d objects", r.told, len(r.objects))
	}
	client := resource(t, strictID)
	must(t, client.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
	r.until("nothing is left", func() bool { return len(r.objects) == 0 })
}

func TestConfirm(t *testing.T) {
	clean(t)
	apply(t, strictText)
	apply(t, otherText)
	clock := time.Now
	source, err := policykube.New(policykube.Config{
		Name: "kubernetes", REST: outrigger(t), Logger: logger(t), Clock: func() time.Time { return clock() },
	})
	must(t, err)
	confirm := func() ([]discovery.ObjectID, error) {
		ids, err := source.Confirm(t.Context(), v1alpha1.KindAuthenticationPolicy)
		slices.SortFunc(ids, discovery.ObjectID.Compare)
		return ids, err
	}
	// A definition that was installed a moment ago proves nothing: its objects may be on their way.
	must(t, kube.DeleteCRDs(t.Context()))
	if ids, err := confirm(); err == nil {
		t.Errorf("without a definition there are %v", ids)
	}
	must(t, kube.ApplyCRDs(t.Context()))
	apply(t, strictText)
	apply(t, otherText)
	if ids, err := confirm(); err == nil {
		t.Errorf("with a new definition there are %v", ids)
	}
	clock = func() time.Time { return time.Now().Add(10 * time.Minute) }
	if ids, err := confirm(); err != nil || !slices.Equal(ids, []discovery.ObjectID{otherID, strictID}) {
		t.Errorf("there are %v, error %v", ids, err)
	}
	remove(t, otherID)
	if ids, err := confirm(); err != nil || !slices.Equal(ids, []discovery.ObjectID{strictID}) {
		t.Errorf("there are %v, error %v", ids, err)
	}
	if _, err := source.Confirm(t.Context(), v1alpha1.KindWorkload); err == nil {
		t.Error("a Workload is no policy")
	}
}

// Around the source stands what decides what is believed: a strict policy stays strict while its kind is away, and after.
func TestPoliciesAreHeldWhenKindsVanish(t *testing.T) {
	clean(t)
	apply(t, strictText)
	source, err := policykube.New(policykube.Config{Name: "kubernetes", REST: outrigger(t), Logger: logger(t), Retry: time.Second})
	must(t, err)
	held, err := hold.NewPolicies(hold.PoliciesConfig{Source: source, ID: source.ID(), Logger: logger(t)})
	must(t, err)
	r := follow(t, held)
	r.until("the full state", func() bool { return r.synced == 1 && r.objects[strictID] != nil })
	must(t, kube.DeleteCRDs(t.Context()))
	r.until("trouble", func() bool { return r.trouble != nil })
	must(t, kube.ApplyCRDs(t.Context()))
	r.until("the end of the trouble", func() bool { return r.trouble == nil })
	r.watch(10 * time.Second)
	if r.objects[strictID] == nil {
		t.Error("the policy went with its kind")
	}
	apply(t, strictText)
	patch(t, strictID, `{"spec": {"peer": {"mode": "Permissive"}}}`)
	r.until("the new policy", func() bool {
		policy, ok := r.objects[strictID].(*v1alpha1.AuthenticationPolicy)
		return ok && policy.Spec.Peer.Mode == v1alpha1.MTLSPermissive
	})
}

// Connections that break are no news of the cluster.
func TestConnectionsAreCut(t *testing.T) {
	clean(t)
	apply(t, strictText)
	cut, err := relay.Listen(t.Context(), "127.0.0.1:0", kube.Host())
	must(t, err)
	defer cut.Close()
	config := outrigger(t)
	config.Host = "https://" + cut.Addr()
	r := read(t, config)
	r.until("the full state", func() bool { return r.synced == 1 })
	for i := range 20 {
		patch(t, strictID, fmt.Sprintf(`{"spec": {"selector": {"matchLabels": {"try": "%d"}}}}`, i))
		cut.Cut()
		r.until("a change", func() bool {
			if r.objects[strictID] == nil {
				t.Fatal("the policy went with a connection")
			}
			return r.objects[strictID].GetGeneration() == int64(i+2)
		})
	}
	r.until("the end of all trouble", func() bool { return r.trouble == nil })
}
