package debug_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/server"
)

// TestReport: what a stream has reached is told in publications, whether they concern it or not.
func TestReport(t *testing.T) {
	t.Parallel()
	store, ledger := cache.NewStore(), &debug.Ledger{}
	all := cache.ViewSpec{Layers: []cache.LayerID{"mesh"}, Scope: cache.All}
	store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"a/busy": &all, "a/done": &all, "a/mute": &all, "a/away": &all}})
	ledger.Note("r1", store.Rev(), opened)
	other := cache.ViewSpec{Layers: []cache.LayerID{"other"}, Scope: cache.All}
	store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"a/other": &other}})
	ledger.Note("r2", store.Rev(), opened)
	ledger.Note("r2", store.Rev()+1, opened)
	mute, err := store.Subscribe("a/mute", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	service := debug.New(debug.Config{
		Store: store, Ledger: ledger, Replica: "b", Settings: map[string]string{"version": "v1"},
		Engine: engine{
			{Peer: server.Peer{Node: "a/done"}, Since: opened, Settled: 1, Latest: 1},
			{Peer: server.Peer{Node: "a/busy"}, Since: opened, Settled: 0, Latest: 1, Types: []server.TypeInfo{
				{Type: "cluster", Pending: 2}, {Type: "route", Pending: 1, Parked: []server.ParkedInfo{{Name: "r", Owner: "Service a/b", Error: "no"}}},
			}},
			{Peer: server.Peer{Node: "a/other"}, Since: opened, Settled: 2, Latest: 2},
		},
		Problems: func() []debug.Problem { return []debug.Problem{{Warning: true}, {}} },
		Standing: func() (string, error) { return "r3", nil },
	})
	report := service.Report(t.Context(), true)
	if report.Replica != "b" || report.Errors != 1 || report.Latest() != "r2" || len(report.Revisions) != 2 || report.Standing != "r3" {
		t.Errorf("report %+v", report)
	}
	var got []string
	for _, p := range report.Proxies {
		got = append(got, fmt.Sprintf("%s reached %d, %d pending, %d refused", p.Name, p.Reached, p.Pending, len(p.Refused)))
	}
	want := []string{
		"a/busy reached 0, 3 pending, 1 refused",
		"a/done reached 2, 0 pending, 0 refused",
		// It has a stream, which does not answer: nobody may take it for one that is away.
		"a/mute reached 0, 1 pending, 0 refused",
		"a/other reached 2, 0 pending, 0 refused",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("proxies\n%q, want\n%q", got, want)
	}
	if report.Proxies[0].Refused[0].Type != "route" || report.Proxies[0].Refused[0].Owner != "Service a/b" {
		t.Errorf("refused %+v", report.Proxies[0].Refused)
	}
	if again := service.Report(t.Context(), false); again.Standing != "" || !again.Started.Equal(report.Started) {
		t.Errorf("report %+v", again)
	}
}

func TestReportSaysWhyTheSourceIsNotKnown(t *testing.T) {
	t.Parallel()
	store := cache.NewStore()
	for want, standing := range map[string]func() (string, error){
		"the source knows no revisions": nil,
		"no such folder":                func() (string, error) { return "", errors.New("no such folder") },
	} {
		service := debug.New(debug.Config{Store: store, Engine: engine{}, Standing: standing})
		if report := service.Report(t.Context(), true); report.Trouble != want || report.Standing != "" || report.Latest() != "" {
			t.Errorf("report %+v, want trouble %q", report, want)
		}
	}
}

// TestLedgerIsBounded: the oldest revisions are forgotten.
func TestLedgerIsBounded(t *testing.T) {
	t.Parallel()
	ledger := &debug.Ledger{}
	for i := range 1000 {
		ledger.Note(fmt.Sprint(i), cache.Rev(i), opened.Add(time.Duration(i)))
	}
	report := debug.New(debug.Config{Store: cache.NewStore(), Engine: engine{}, Ledger: ledger}).Report(t.Context(), false)
	if n := len(report.Revisions); n != 256 || report.Latest() != "999" || report.Revisions[0].ID != "744" {
		t.Errorf("%d revisions, from %s to %s", n, report.Revisions[0].ID, report.Latest())
	}
}
