package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
)

// kindConsul is the kind of the sources that a ServiceJoin leads to.
const kindConsul = "consul"

func consulSources(from []v1alpha1.ConsulSource) []policy.ConsulSource {
	var sources []policy.ConsulSource
	for i := range from {
		source := policy.ConsulSource{
			Name: string(from[i].Name), Address: from[i].Address,
			TokenFile: string(from[i].TokenFile), CAFile: string(from[i].CAFile),
			Datacenter: string(from[i].Datacenter), Namespace: string(from[i].Namespace), Partition: string(from[i].Partition),
			MeshNamespace: string(cmp.Or(from[i].MeshNamespace, v1alpha1.DefaultConsulNamespace)),
		}
		for _, peer := range from[i].Peers {
			source.Peers = append(source.Peers, consulPeer(peer))
		}
		slices.SortFunc(source.Peers, func(a, b policy.ConsulPeer) int { return strings.Compare(a.Name, b.Name) })
		sources = append(sources, source)
	}
	slices.SortFunc(sources, func(a, b policy.ConsulSource) int { return strings.Compare(a.Name, b.Name) })
	return sources
}

func consulPeer(from v1alpha1.ConsulPeer) policy.ConsulPeer {
	peer := policy.ConsulPeer{Name: string(from.Name)}
	for _, service := range from.Services {
		peer.Services = append(peer.Services, string(service))
	}
	slices.Sort(peer.Services)
	return peer
}

func joinRules(object discovery.ObjectID, from []v1alpha1.ServiceJoin) []discovery.JoinRule {
	var rules []discovery.JoinRule
	for i := range from {
		join := discovery.Join{
			Kind: kindConsul, Source: string(from[i].Consul.Source), Name: from[i].Consul.Name, Port: uint16(from[i].Port),
		}
		if from[i].Share != nil {
			share := uint8(*from[i].Share)
			join.Share = &share
		}
		rules = append(rules, discovery.JoinRule{
			Object: object, Field: fmt.Sprintf("spec.joins[%d]", i),
			Service: discovery.ServiceID{Namespace: string(from[i].Service.Namespace), Name: string(from[i].Service.Name)},
			Join:    join,
		})
	}
	return rules
}
