package policykube_test

import (
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// What the sources need beyond what the other tests here do as this account, and what nobody needs.
func TestRights(t *testing.T) {
	client, err := kubernetes.NewForConfig(outrigger(t))
	must(t, err)
	may := func(verb, group, resource, subresource, namespace, name string) bool {
		t.Helper()
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: verb, Group: group, Resource: resource, Subresource: subresource, Namespace: namespace, Name: name,
			},
		}}
		answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		must(t, err)
		return answer.Status.Allowed
	}
	for _, resource := range []string{"services", "pods", "nodes", "namespaces"} {
		for _, verb := range []string{"list", "watch"} {
			if !may(verb, "", resource, "", "", "") {
				t.Errorf("may not %s %s", verb, resource)
			}
		}
		for _, verb := range []string{"create", "update", "patch", "delete"} {
			if may(verb, "", resource, "", "shop", "x") {
				t.Errorf("may %s %s", verb, resource)
			}
		}
	}
	if !may("get", "", "services", "", "shop", "cart") || !may("get", "", "namespaces", "", "kube-system", "kube-system") {
		t.Error("may not read a Service, or the namespace that names the cluster")
	}
	if !may("list", "discovery.k8s.io", "endpointslices", "", "", "") || !may("watch", "discovery.k8s.io", "endpointslices", "", "", "") {
		t.Error("may not read endpointslices")
	}
	for _, plural := range plurals {
		for _, verb := range []string{"create", "update", "patch", "delete"} {
			if may(verb, "outrigger.dev", plural, "", "shop", "x") {
				t.Errorf("may %s %s", verb, plural)
			}
		}
	}
	for _, secret := range []string{"outrigger-system", "kube-system", "shop"} {
		if may("get", "", "secrets", "", secret, "x") || may("list", "", "secrets", "", secret, "") {
			t.Errorf("may read secrets of %s", secret)
		}
	}
	if may("update", "coordination.k8s.io", "leases", "", "outrigger-system", "another") ||
		may("update", "coordination.k8s.io", "leases", "", "kube-system", "outrigger-status") {
		t.Error("may write leases of others")
	}
	if may("create", "", "serviceaccounts", "token", "shop", "cart") || may("impersonate", "", "users", "", "", "admin") {
		t.Error("may become somebody else")
	}
}
