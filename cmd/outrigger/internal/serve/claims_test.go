package serve

import (
	"strings"
	"testing"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// TestPolicyMovesBetweenSources: a policy that another source gives too is not gone with the first one, and the order in
// which they come does not decide.
func TestPolicyMovesBetweenSources(t *testing.T) {
	t.Parallel()
	id := discovery.ObjectID{Kind: "AuthenticationPolicy", Namespace: "shop", Name: "strict"}
	folder, cluster := discovery.SourceID{Kind: "file", Name: "mesh"}, discovery.SourceID{Kind: kindPolicies, Name: "kubernetes"}
	inFolder, inCluster := &v1alpha1.AuthenticationPolicy{}, &v1alpha1.AuthenticationPolicy{}
	c := newClaims()
	say := func(source discovery.SourceID, object *v1alpha1.AuthenticationPolicy, location string) (compile.Objects, []discovery.Problem) {
		out, twice := c.take(source, compile.Objects{
			AuthenticationPolicies: map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy{id: object},
			Locations:              map[discovery.ObjectID]string{id: location},
		})
		return out, twice[id]
	}
	if out, twice := say(folder, inFolder, "a.yaml:1"); out.AuthenticationPolicies[id] != inFolder || out.Locations[id] != "a.yaml:1" || twice != nil {
		t.Fatalf("the folder's: %v %v", out, twice)
	}
	out, twice := say(cluster, inCluster, "generation 1")
	if out.AuthenticationPolicies[id] != inCluster || out.Locations[id] != "generation 1" {
		t.Errorf("the cluster's does not count: %v", out)
	}
	if len(twice) != 1 || !strings.Contains(twice[0].Message, "policies/kubernetes and file/mesh") {
		t.Errorf("problems %v", twice)
	}
	if out, twice := say(folder, nil, ""); len(out.AuthenticationPolicies)+len(out.Locations) != 0 || len(twice) != 0 {
		t.Errorf("with the folder's something went: %v %v", out, twice)
	}
	say(folder, inFolder, "a.yaml:1")
	if out, _ := say(cluster, nil, ""); out.AuthenticationPolicies[id] != inFolder || out.Locations[id] != "a.yaml:1" {
		t.Errorf("the folder's does not count again: %v", out)
	}
	if out, _ := say(folder, nil, ""); out.AuthenticationPolicies[id] != nil || len(out.AuthenticationPolicies) != 1 || out.Locations[id] != "" || len(c.peers) != 0 {
		t.Errorf("it is not gone: %v", out)
	}
}
