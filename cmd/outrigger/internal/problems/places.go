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

// Note takes in what a source says: where objects stand, as "<file>:<line>"; empty for what is gone.
func (p *Places) Note(locations map[discovery.ObjectID]string) {
	for id, place := range locations {
		if place == "" {
			delete(p.known, id)
			continue
		}
		p.known[id] = place
	}
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
