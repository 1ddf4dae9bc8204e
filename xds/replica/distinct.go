package replica

import (
	"fmt"
	"slices"
	"time"

	"outrigger.dev/outrigger/xds/debug"
)

// distinct leaves out what stopped and what was reached in two ways, and says how the others differ from this server.
func distinct(own Answer, others []Answer) []Answer {
	all := []Answer{own}
	up := map[string]bool{run(own): true}
	names := map[string]bool{own.Name: true}
	for _, a := range others {
		if a.State == StateUp && !up[run(a)] {
			up[run(a)] = true
			all = append(all, a)
		}
	}
	for _, a := range others {
		// One that does not answer in one way may do so in another.
		if (a.State == StateAway || a.State == StateEnded) && (a.Report == nil || !up[run(a)]) && !slices.ContainsFunc(all, a.isAlso) {
			all = append(all, a)
		}
	}
	for i := range all {
		if i > 0 && names[all[i].Name] {
			all[i].Name = fmt.Sprintf("%s@%s", all[i].Name, all[i].Address)
		}
		names[all[i].Name] = true
		all[i].Differs = differences(own.Report, all[i].Report)
	}
	return all
}

// run tells the runs of replicas apart.
func run(a Answer) string { return a.Report.Replica + " " + a.Report.Started.Format(time.RFC3339Nano) }

// isAlso reports whether a place that does not answer here belongs to a replica that answers at an address.
func (a Answer) isAlso(other Answer) bool {
	return a.Address == "" && other.Address != "" && other.State == StateUp && a.Name == other.Name
}

// differences are the settings that all replicas must have alike and these two have not.
func differences(ours, theirs *debug.Report) []string {
	if ours == nil || theirs == nil {
		return nil
	}
	var list []string
	for name, value := range theirs.Settings {
		if own := ours.Settings[name]; own != value {
			list = append(list, fmt.Sprintf("%s: %s, here %s", name, value, own))
		}
	}
	slices.Sort(list)
	return list
}
