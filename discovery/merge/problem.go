package merge

import (
	"fmt"

	"outrigger.dev/outrigger/discovery"
)

// joinAnnotation is where a Service says what it joins.
const joinAnnotation = "metadata.annotations[outrigger.dev/consul-service]"

// provenance says where a Join stands.
type provenance struct {
	object   discovery.ObjectID
	location string
	field    string
}

// saidBy is where a service itself says what it joins.
func saidBy(s *discovery.Service) provenance {
	return provenance{object: objectOf(s), location: s.Origin.Location, field: joinAnnotation}
}

func ruledBy(r *discovery.JoinRule) provenance { return provenance{object: r.Object, field: r.Field} }

func objectOf(s *discovery.Service) discovery.ObjectID {
	return discovery.ObjectID{Kind: s.Origin.Kind, Namespace: s.ID.Namespace, Name: registeredName(s)}
}

func (p provenance) problem(reason, message string) discovery.Problem {
	return discovery.Problem{
		Object: p.object, Location: p.location, Field: p.field, Reason: reason, Message: message, Warning: true,
	}
}

func (p provenance) notFound(id discovery.ServiceID, join *discovery.Join) discovery.Problem {
	return p.problem("NotFound", fmt.Sprintf(
		"no %s has a service %q that %s could join: until one does, %s serves alone", registry(join), join.Name, id, id))
}

func (p provenance) noPort(id discovery.ServiceID, join *discovery.Join) discovery.Problem {
	return p.problem("NotFound", fmt.Sprintf(
		"service %s has no port %d that %s service %q could serve: until it has, %s serves alone", id, join.Port, join.Kind, join.Name, id))
}

func (p provenance) ambiguous(join *discovery.Join, first discovery.ServiceID, other registered) discovery.Problem {
	return p.problem("Ambiguous", fmt.Sprintf(
		"%s has more than one service %q: %s is joined, %s is not; join it by another service", other.source, join.Name, first, other.service.id))
}

// registry names what a Join looks in.
func registry(join *discovery.Join) string {
	if join.Source == "" {
		return join.Kind
	}
	return join.Kind + " source " + join.Source
}

func unknownService(r *discovery.JoinRule) discovery.Problem {
	return discovery.Problem{
		Object: r.Object, Field: r.Field + ".service", Reason: "NotFound", Warning: true,
		Message: fmt.Sprintf("service %s does not exist: until it does, the join means nothing", r.Service),
	}
}

func overruled(r *discovery.JoinRule) discovery.Problem {
	return discovery.Problem{
		Object: r.Object, Field: r.Field, Reason: "Overruled", Warning: true,
		Message: fmt.Sprintf("service %s says itself what it joins, which goes before: remove this, or its annotation", r.Service),
	}
}

// sameName says that a service is left out because an earlier source has one of its name.
func sameName(first, other discovery.Sourced[discovery.Service]) discovery.Problem {
	return discovery.Problem{
		Object: objectOf(other.Value), Location: other.Value.Origin.Location, Reason: "Duplicate",
		Message: fmt.Sprintf("%s has a service %s already, which counts; that of %s is left out: "+
			"join the two (annotation outrigger.dev/consul-service, or spec.joins of the MeshConfig), or give one of them another name",
			first.Source, other.Value.ID, other.Source),
	}
}
