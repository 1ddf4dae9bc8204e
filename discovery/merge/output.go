package merge

import (
	"time"

	"outrigger.dev/outrigger/discovery"
)

// output gathers the values that change.
type output struct{ values discovery.Update }

func newOutput(read time.Time) *output {
	return &output{values: discovery.Update{
		Services:  map[discovery.ServiceID]*discovery.Service{},
		Endpoints: map[discovery.ShardID]*discovery.EndpointSet{},
		Workloads: map[discovery.WorkloadID]*discovery.Workload{},
		ReadAt:    read,
	}}
}

// updates returns the update with the values, if there are any, and those that follow.
func (o *output) updates(following ...discovery.Update) []discovery.Update {
	if len(o.values.Services)+len(o.values.Endpoints)+len(o.values.Workloads) == 0 {
		return following
	}
	return append([]discovery.Update{o.values}, following...)
}
