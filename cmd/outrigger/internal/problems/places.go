package problems

import (
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// Places knows where users' objects stand, so that whatever is found wrong with one later can be shown there. It is not
// safe for concurrent use.
type Places struct {
	known map[discovery.ObjectID]string
}

// NewPlaces returns Places that know nothing yet.
func NewPlaces() *Places { return &Places{known: map[discovery.ObjectID]string{}} }

// Note takes in what a source says: the model, and where policies stand, as "<file>:<line>". What is gone is forgotten.
func (p *Places) Note(update discovery.Update, policies map[discovery.ObjectID]string) {
	for id, service := range update.Services {
		place := ""
		if service != nil {
			place = service.Origin.Location
		}
		p.set(discovery.ObjectID{Kind: "Service", Namespace: id.Namespace, Name: id.Name}, place)
	}
	for id, workload := range update.Workloads {
		place := ""
		if workload != nil {
			place = workload.Origin.Location
		}
		p.set(discovery.ObjectID{Kind: "Workload", Namespace: id.Namespace, Name: id.Name}, place)
	}
	for id, place := range policies {
		p.set(id, place)
	}
}

func (p *Places) set(id discovery.ObjectID, place string) {
	if place == "" {
		delete(p.known, id)
		return
	}
	p.known[id] = place
}

// Fill returns the problems with a location each, where one is known; those that have one keep it.
func (p *Places) Fill(list []discovery.Problem) []discovery.Problem {
	filled := slices.Clone(list)
	for i := range filled {
		if filled[i].Location == "" {
			filled[i].Location = p.known[filled[i].Object]
		}
	}
	return filled
}
