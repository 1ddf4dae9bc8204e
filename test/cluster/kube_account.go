package cluster

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tokenSeconds is how long tokens are valid unless a test says otherwise; ten minutes is the least that the API server allows.
const tokenSeconds = 3600

// AddAccount makes a ServiceAccount with rights in the whole cluster (none:
// what everybody may do), and gives the access with a token of it.
func (k *Kube) AddAccount(ctx context.Context, namespace, name string, rules ...rbacv1.PolicyRule) (Access, error) {
	if err := k.AddNamespace(ctx, namespace); err != nil {
		return Access{}, err
	}
	if err := k.addServiceAccount(ctx, namespace, name); err != nil {
		return Access{}, err
	}
	if err := k.SetRules(ctx, namespace, name, rules...); err != nil {
		return Access{}, err
	}
	token, err := k.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenSeconds))},
	}, metav1.CreateOptions{})
	if err != nil {
		return Access{}, err
	}
	return Access{Server: "https://" + k.Host(), CAFile: k.files.ca, Token: token.Status.Token}, nil
}

// SetRules gives a ServiceAccount other rights in the whole cluster, and waits until the API server goes by them.
func (k *Kube) SetRules(ctx context.Context, namespace, name string, rules ...rbacv1.PolicyRule) error {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "test:" + namespace + ":" + name}, Rules: rules}
	before, err := k.putRole(ctx, role)
	if err != nil {
		return fmt.Errorf("role: %w", err)
	}
	_, err = k.client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
	}, metav1.CreateOptions{})
	if err := unlessThere(err); err != nil {
		return fmt.Errorf("role binding: %w", err)
	}
	return k.awaitRights(ctx, "system:serviceaccount:"+namespace+":"+name, before, rules)
}

// putRole makes a role, or changes it, and says which rules it had.
func (k *Kube) putRole(ctx context.Context, role *rbacv1.ClusterRole) (before []rbacv1.PolicyRule, err error) {
	roles := k.client.RbacV1().ClusterRoles()
	old, err := roles.Get(ctx, role.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = roles.Create(ctx, role, metav1.CreateOptions{})
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	_, err = roles.Update(ctx, role, metav1.UpdateOptions{})
	return old.Rules, err
}

// awaitRights waits until a user has what the rules of now give and lacks what only those of before gave.
func (k *Kube) awaitRights(ctx context.Context, user string, before, now []rbacv1.PolicyRule) error {
	had, has := rights(before), rights(now)
	return await(ctx, user+" has its rights", k.apiserver, func(ctx context.Context) error {
		for right := range had {
			if !has[right] {
				if err := k.review(ctx, user, right, false); err != nil {
					return err
				}
			}
		}
		for right := range has {
			if !had[right] {
				if err := k.review(ctx, user, right, true); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// rights are what rules allow, one by one.
func rights(rules []rbacv1.PolicyRule) map[authorizationv1.ResourceAttributes]bool {
	all := map[authorizationv1.ResourceAttributes]bool{}
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, kind := range rule.Resources {
				resource, sub, _ := strings.Cut(kind, "/")
				for _, verb := range rule.Verbs {
					for _, name := range names {
						all[authorizationv1.ResourceAttributes{Group: group, Resource: resource, Subresource: sub, Verb: verb, Name: name}] = true
					}
				}
			}
		}
	}
	return all
}

func (k *Kube) review(ctx context.Context, user string, right authorizationv1.ResourceAttributes, want bool) error {
	answer, err := k.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &right},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if answer.Status.Allowed != want {
		return fmt.Errorf("%s of %s %s is allowed: %t", right.Verb, right.Group, right.Resource, answer.Status.Allowed)
	}
	return nil
}

// PodToken is a token of a pod's ServiceAccount that is bound to the pod, as a
// kubelet projects it. seconds is how long it is valid, at least 600; zero: an hour.
func (k *Kube) PodToken(ctx context.Context, pod *corev1.Pod, audience string, seconds int64) (string, error) {
	if seconds == 0 {
		seconds = tokenSeconds
	}
	token, err := k.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			Audiences: []string{audience}, ExpirationSeconds: &seconds,
			BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return token.Status.Token, nil
}
