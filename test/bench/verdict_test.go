package main

import (
	"strings"
	"testing"
)

// TestVerdict: what a client has is not sent to it, and who is not concerned is not woken; of another's server all is borne.
func TestVerdict(t *testing.T) {
	sent := counts{bytes: 100, bodies: 7, resources: 1}
	again := returned{sent: counts{bytes: 100, bodies: 50, resources: 2, again: 1}}
	for want, all := range map[string]figures{
		"reconnect: 7 bytes":              {servers: []result{{ours: true, reconnect: returned{sent: sent}}}},
		"killed and restarted: 7 bytes":   {servers: []result{{ours: true, restart: &returned{sent: sent}}}},
		"all views change: 1 resources":   {servers: []result{{ours: true, view: again}}},
		"nobody sees: 3 streams":          {servers: []result{{ours: true, unseen: &unseen{woken: 3}}}},
		"restart 2 of a replica: 7 bytes": {rolling: &rollingResult{restarts: []returned{{}, {sent: sent}}}},
	} {
		if err := all.verdict(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	fine := figures{
		servers: []result{
			{ours: true, view: returned{sent: sent}, restart: &returned{}, unseen: &unseen{}},
			{reconnect: returned{sent: sent}, view: again},
		},
		rolling: &rollingResult{restarts: []returned{{sent: counts{bytes: 100}}}},
	}
	if err := fine.verdict(); err != nil {
		t.Error(err)
	}
}
