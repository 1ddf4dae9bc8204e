package kube

import (
	"errors"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// Claims is what the API server says of a token's owner.
type Claims struct {
	Namespace      string
	ServiceAccount string
	// Pod and PodUID name the one pod that the token is bound to.
	Pod    string
	PodUID string
	// Node is the name of the node that the pod is on; empty where the API server does not tell (before 1.30).
	Node string
	// Expires is when the token ends by its own words; zero when it does not say.
	Expires time.Time
}

// String returns "<namespace>/<pod>", which is the node id of the pod's proxy.
func (c Claims) String() string { return c.Namespace + "/" + c.Pod }

// What the API server says of a token besides the user's name.
const (
	extraPodName  = "authentication.kubernetes.io/pod-name"
	extraPodUID   = "authentication.kubernetes.io/pod-uid"
	extraNodeName = "authentication.kubernetes.io/node-name"

	accountPrefix = "system:serviceaccount:"
)

// claimsOf reads the user of a review that says yes.
func claimsOf(user authenticationv1.UserInfo) (Claims, error) {
	namespace, account, ok := strings.Cut(strings.TrimPrefix(user.Username, accountPrefix), ":")
	if !ok || !strings.HasPrefix(user.Username, accountPrefix) || namespace == "" || account == "" || strings.Contains(account, ":") {
		return Claims{}, fmt.Errorf("%w: the token is that of user %q, and no service account's", ErrNotAuthenticated, user.Username)
	}
	claims := Claims{Namespace: namespace, ServiceAccount: account}
	var errs [3]error
	claims.Pod, errs[0] = single(user.Extra, extraPodName)
	claims.PodUID, errs[1] = single(user.Extra, extraPodUID)
	claims.Node, errs[2] = single(user.Extra, extraNodeName)
	if err := errors.Join(errs[:]...); err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrNotAuthenticated, err)
	}
	if claims.Pod == "" || claims.PodUID == "" {
		return Claims{}, fmt.Errorf("%w: service account %s/%s; use a projected token with the audience of the mesh, not one of a Secret",
			ErrNoPod, namespace, account)
	}
	return claims, nil
}

// single returns the one value of a key, empty for none.
func single(extra map[string]authenticationv1.ExtraValue, key string) (string, error) {
	switch values := extra[key]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", fmt.Errorf("the review has %d values of %s", len(values), key)
	}
}
