package compile

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

func (c *Compiler) meshRule(id discovery.ObjectID, mesh *v1alpha1.MeshConfig) (*policy.MeshRule, group, field.ErrorList) {
	errs := mesh.Validate()
	if domain := mesh.Spec.TrustDomain; domain != "" && domain != c.trustDomain {
		errs = append(errs, field.Invalid(field.NewPath("spec", "trustDomain"), domain,
			"must be that of the control plane, "+c.trustDomain+": remove the field, or start the control plane with the other"))
	}
	if len(errs) > 0 {
		return nil, group{}, errs
	}
	rule := &policy.MeshRule{
		Object: id, DefaultMode: mode(mesh.Spec.MTLS.DefaultMode),
		Consul: consulSources(mesh.Spec.Consul), Joins: joinRules(id, mesh.Spec.Joins),
	}
	if mesh.Spec.Outbound.UnknownDestinations == v1alpha1.UnknownDeny {
		rule.UnknownDestinations = ir.Deny
	}
	return rule, group{}, nil
}

func peerRule(id discovery.ObjectID, object *v1alpha1.AuthenticationPolicy) (*policy.PeerRule, group, field.ErrorList) {
	if errs := object.Validate(); len(errs) > 0 {
		return nil, group{}, errs
	}
	rule := &policy.PeerRule{
		Object:   id,
		Selector: selector(id, object.Spec.Selector),
		Mode:     mode(object.Spec.Peer.Mode),
	}
	for _, port := range object.Spec.Peer.Ports {
		rule.Ports = append(rule.Ports, policy.PortMode{Port: uint16(port.Port), Mode: mode(port.Mode)})
	}
	slices.SortFunc(rule.Ports, func(a, b policy.PortMode) int { return cmp.Compare(a.Port, b.Port) })
	return rule, groupOf(id.Kind, rule.Selector), nil
}

// mode returns the mode of a checked object; none means the default.
func mode(mode v1alpha1.MTLSMode) ir.MTLSMode {
	switch mode {
	case v1alpha1.MTLSStrict:
		return ir.Strict
	case v1alpha1.MTLSDisabled:
		return ir.Disabled
	}
	return ir.Permissive
}

func selector(id discovery.ObjectID, from v1alpha1.WorkloadSelector) policy.Selector {
	selector := policy.Selector{Namespace: id.Namespace}
	for _, key := range slices.Sorted(maps.Keys(from.MatchLabels)) {
		selector.Labels = append(selector.Labels, policy.Label{Key: key, Value: string(from.MatchLabels[key])})
	}
	return selector
}
