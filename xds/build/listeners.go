package build

import (
	"fmt"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/translate"
)

// resolveListeners brings what listens on the virtual addresses of a service up to date.
func (b *Builder) resolveListeners(s *service) {
	b.work.Listeners++
	if s.value == nil {
		s.listeners = nil
		b.withdraw(CaptureLayer, &s.listening)
		b.ledger.replace(&s.problems, nil)
		return
	}
	owned := slices.DeleteFunc(policy.ResolveVIPs(s.value), func(o ir.Outbound) bool { return b.holder(o.Address.Addr()) != s })
	b.ledger.replace(&s.problems, b.lostAddresses(s))
	if slices.Equal(owned, s.listeners) && s.listening.from == s.origin {
		return
	}
	s.listeners = owned
	b.publish(CaptureLayer, &s.listening, s.origin, outbounds(owned)...)
}

func outbounds(list []ir.Outbound) []translate.Resource {
	var out []translate.Resource
	for i := range list {
		out = append(out, translate.Outbound(&list[i])...)
	}
	return out
}

// holder returns the service that has a virtual address, of those that claim it.
func (b *Builder) holder(address netip.Addr) *service { return b.claims[address][0] }

// lostAddresses says which virtual addresses of a service another one has.
func (b *Builder) lostAddresses(s *service) []discovery.Problem {
	var problems []discovery.Problem
	for _, address := range s.value.VIPs {
		if holder := b.holder(address); holder != s {
			problems = append(problems, discovery.Problem{
				Object: s.origin.object, Location: s.value.Origin.Location, Field: "spec.clusterIP", Reason: "Duplicate",
				Message: fmt.Sprintf("virtual address %s of service %s belongs to service %s already, which keeps it: give %s another one",
					address, s.id, holder.id, s.id),
			})
		}
	}
	return problems
}
