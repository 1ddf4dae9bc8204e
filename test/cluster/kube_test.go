package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
)

func namespace(t *testing.T) string {
	t.Helper()
	return strings.ToLower(t.Name())
}

// pod is in a namespace that is named like the test.
func pod(t *testing.T, name, ip string) cluster.Pod {
	t.Helper()
	return cluster.Pod{Namespace: namespace(t), Name: name, Labels: map[string]string{"app": "web"}, Node: "node-a", IPs: []string{ip}}
}

func add(t *testing.T, k *cluster.Kube, p cluster.Pod) {
	t.Helper()
	_, err := k.AddPod(t.Context(), p)
	must(t, err)
}

func addService(t *testing.T, k *cluster.Kube, name string) {
	t.Helper()
	_, err := k.AddService(t.Context(), cluster.NewService(namespace(t), name, 80))
	must(t, err)
}

func serviceNames(t *testing.T, k *cluster.Kube) string {
	t.Helper()
	list, err := k.Client().CoreV1().Services(namespace(t)).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// The controllers make EndpointSlices of what a test says about pods.
func TestKubeMakesEndpointSlices(t *testing.T) {
	k, ctx, shop := shared, t.Context(), namespace(t)
	must(t, k.AddNode(ctx, "node-a", "eu", "eu-1"))
	addService(t, k, "web")
	add(t, k, pod(t, "web-1", "10.244.0.1"))
	add(t, k, pod(t, "web-2", "10.244.0.2"))
	late := pod(t, "web-3", "10.244.0.3")
	late.NotReady = true
	add(t, k, late)
	must(t, k.AwaitEndpoints(ctx, shop, "web", "10.244.0.1", "10.244.0.2"))
	must(t, k.SetPodReady(ctx, shop, "web-3", true))
	must(t, k.AwaitEndpoints(ctx, shop, "web", "10.244.0.1", "10.244.0.2", "10.244.0.3"))
	must(t, k.TerminatePod(ctx, shop, "web-1"))
	must(t, k.AwaitEndpoints(ctx, shop, "web", "10.244.0.2", "10.244.0.3"))

	slices, err := k.Client().DiscoveryV1().EndpointSlices(shop).List(ctx, metav1.ListOptions{})
	must(t, err)
	if said := conditions(slices.Items[0], "10.244.0.1"); said != "ready false serving true terminating true zone eu-1" {
		t.Errorf("the endpoint of the pod that ends: %s", said)
	}
	must(t, k.RemovePod(ctx, shop, "web-1"))
	must(t, k.Client().CoreV1().Services(namespace(t)).Delete(ctx, "web", metav1.DeleteOptions{}))
	must(t, k.AwaitEndpoints(ctx, shop, "web"))
}

func conditions(slice discoveryv1.EndpointSlice, address string) string {
	for _, e := range slice.Endpoints {
		if e.Addresses[0] != address {
			continue
		}
		word := map[bool]string{true: "true", false: "false"}
		return "ready " + word[*e.Conditions.Ready] + " serving " + word[*e.Conditions.Serving] +
			" terminating " + word[*e.Conditions.Terminating] + " zone " + *e.Zone
	}
	return "none"
}

// Nothing is lost when the API server dies, and it comes back at its address.
func TestKubeLosesItsAPIServer(t *testing.T) {
	k := cluster.StartKube(t, cluster.KubeOptions{NoControllers: true, NoCRDs: true})
	addService(t, k, "web")
	k.KillAPIServer()
	if _, err := k.Client().CoreV1().Services(namespace(t)).List(t.Context(), metav1.ListOptions{}); err == nil {
		t.Fatal("the API server answers after its death")
	}
	must(t, k.StartAPIServer(t.Context()))
	if got := serviceNames(t, k); got != "web" {
		t.Errorf("after the restart there are %q", got)
	}
}

// Without etcd, what need not be certain is still answered.
func TestKubeLosesEtcd(t *testing.T) {
	k := cluster.StartKube(t, cluster.KubeOptions{NoControllers: true, NoCRDs: true})
	addService(t, k, "web")
	list := func(version string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := k.Client().CoreV1().Services(namespace(t)).List(ctx, metav1.ListOptions{ResourceVersion: version})
		return err
	}
	must(t, list("0"))
	k.KillEtcd()
	must(t, list("0"))
	if err := list(""); err == nil {
		t.Error("a quorum list succeeds without etcd")
	}
	must(t, k.StartEtcd(t.Context()))
	if got := serviceNames(t, k); got != "web" {
		t.Errorf("with etcd back there are %q", got)
	}
}

func TestKubeGoesBackToAState(t *testing.T) {
	k := cluster.StartKube(t, cluster.KubeOptions{NoControllers: true, NoCRDs: true})
	ctx := t.Context()
	addService(t, k, "web")
	before, err := k.SaveState(ctx)
	must(t, err)
	addService(t, k, "late")
	must(t, k.RestoreState(ctx, before))
	if got := serviceNames(t, k); got != "web" {
		t.Errorf("in the older state there are %q, want web", got)
	}
	must(t, k.RestoreState(ctx, cluster.State{}))
	if got := serviceNames(t, k); got != "" {
		t.Errorf("in the empty state there are %q", got)
	}
}

func TestKubeAccounts(t *testing.T) {
	k := shared
	ctx := t.Context()
	access, err := k.AddAccount(ctx, namespace(t), "reader", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list"}})
	must(t, err)
	config, err := access.Config()
	must(t, err)
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	if _, err := client.CoreV1().Services("").List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("services: %v", err)
	}
	if _, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("pods: %v, want forbidden", err)
	}
	must(t, k.SetRules(ctx, namespace(t), "reader"))
	if _, err := client.CoreV1().Services("").List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("services without rights: %v, want forbidden", err)
	}
}

// A proxy in between shows what is asked, though it is asked over TLS.
func TestKubeRequestsAreLogged(t *testing.T) {
	k := shared
	p, err := fault.Listen(fault.Config{Target: k.Host(), Keep: 4096, TLS: k.TLS()})
	must(t, err)
	defer p.Close()
	access, err := k.AddAccount(t.Context(), namespace(t), "nobody")
	must(t, err)
	config, err := access.Via(p.Addr()).Config()
	must(t, err)
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	if _, err := client.CoreV1().Pods(namespace(t)).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("error %v, want forbidden", err)
	}
	if log := p.Log(); len(log) != 1 || !strings.Contains(string(log[0].Sent), "GET /api/v1/namespaces/"+namespace(t)+"/pods HTTP/1.1") {
		t.Errorf("log %+v", log)
	}
}

func TestKubePodToken(t *testing.T) {
	k := shared
	ctx := t.Context()
	must(t, k.AddNode(ctx, "node-b", "eu", "eu-1"))
	web := pod(t, "web-1", "10.244.0.1")
	web.Node = "node-b"
	made, err := k.AddPod(ctx, web)
	must(t, err)
	token, err := k.PodToken(ctx, made, "outrigger", 0)
	must(t, err)
	review := reviewToken(t, k, token)
	if !review.Authenticated || review.User.Username != "system:serviceaccount:"+namespace(t)+":default" {
		t.Fatalf("review: %+v", review)
	}
	for key, want := range map[string]string{"pod-name": "web-1", "pod-uid": string(made.UID), "node-name": "node-b"} {
		if got := review.User.Extra["authentication.kubernetes.io/"+key]; !slices.Equal(got, authenticationv1.ExtraValue{want}) {
			t.Errorf("%s is %v, want %s", key, got, want)
		}
	}
}

func reviewToken(t *testing.T, k *cluster.Kube, token string) authenticationv1.TokenReviewStatus {
	t.Helper()
	review, err := k.Client().AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{"outrigger"}},
	}, metav1.CreateOptions{})
	must(t, err)
	return review.Status
}

func TestKubeKnowsOurKinds(t *testing.T) {
	k := shared
	ctx := t.Context()
	const config = "apiVersion: outrigger.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\nspec: {}\n"
	must(t, k.Apply(ctx, config))
	must(t, k.DeleteCRDs(ctx))
	if err := k.Apply(ctx, config); err == nil {
		t.Error("a MeshConfig can be made without its kind")
	}
	must(t, k.ApplyCRDs(ctx))
	must(t, k.Apply(ctx, config))
}
