package capture

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Result is what a check found.
type Result string

// The results.
const (
	// Proven: it was seen to be so.
	Proven Result = "proven"
	// Failed: it was seen not to be so.
	Failed Result = "failed"
	// Untried: it could not be tried, and nothing is known.
	Untried Result = "untried"
	// Absent: the namespace has nothing for it to be about.
	Absent Result = "absent"
)

// Finding is one thing that was checked.
type Finding struct {
	// Name is stable: rules, loop-source, or outbound, own-ports, inbound, proxy, self, application with -ipv4 or -ipv6.
	Name   string `json:"name"`
	Result Result `json:"result"`
	// Detail says in one line what was seen.
	Detail string `json:"detail"`
}

// Report is what Check found.
type Report struct {
	Findings []Finding `json:"findings"`
}

// OK reports whether everything that is there was proven. What could not be tried is not OK.
func (r Report) OK() bool {
	for _, f := range r.Findings {
		if f.Result == Failed || f.Result == Untried {
			return false
		}
	}
	return len(r.Findings) > 0
}

// Check proves that the rules are in force and do their work, in two ways. It compares the kernel's rules with the
// wanted ones, expression by expression. And it makes connections: for some milliseconds the namespace gets a
// second link to an empty namespace, from and to which it connects as another program, as the proxy, and as a peer from
// outside; the kernel's table of sockets says at which port each of them arrived.
//
// A proxy that runs takes part: it sees connections to ports of its own, which it closes, and one to the other
// namespace. Where none runs, the check holds its ports for so long. The connections need root; without, they are Untried. The error is about
// the configuration only.
func Check(ctx context.Context, config Config) (Report, error) {
	config, err := config.checked()
	if err != nil {
		return Report{}, fmt.Errorf("capture: %w", err)
	}
	report := Report{Findings: []Finding{config.checkRules(), checkLoopSource()}}
	report.Findings = append(report.Findings, config.probe(ctx)...)
	return report, nil
}

func (c Config) checkRules() Finding {
	f := Finding{Name: "rules", Result: Proven, Detail: "the kernel has the wanted rules and no others in table inet " + tableName}
	diffs, err := c.compareRules()
	switch {
	case errors.Is(err, ErrNoRights):
		f.Result, f.Detail = Untried, err.Error()
	case err != nil:
		f.Result, f.Detail = Failed, err.Error()
	case len(diffs) > 0:
		f.Result, f.Detail = Failed, strings.Join(diffs, "; ")
	}
	return f
}

func checkLoopSource() Finding {
	f := Finding{Name: "loop-source", Result: Proven, Detail: fmt.Sprintf("the proxy can connect from %s", loopSourceV6)}
	if hasNoIPv6() {
		f.Result, f.Detail = Absent, "the namespace has no IPv6"
		return f
	}
	found, err := hasLoopSource()
	switch {
	case err != nil:
		f.Result, f.Detail = Untried, err.Error()
	case !found:
		f.Result, f.Detail = Failed, fmt.Sprintf("%s is not on loopback: the proxy cannot reach its application by IPv6", loopSourceV6)
	}
	return f
}
