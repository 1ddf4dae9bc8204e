package main

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// asCommand in the environment makes the test's binary the command itself, as which some tests start it.
const asCommand = "BENCH_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestParseRefuses(t *testing.T) {
	for flags, want := range map[string]string{
		"-services=0": "-services", "-streams=60001": "-streams", "-changes=0": "-changes", "-added=0": "-added",
		"-scope=1": "-scope", "-scope=251": "-scope", "-envoys=-1": "-envoys", "-idle=-1s": "-idle",
		"-profile=p -against=b": "exclude", "-profile=p -scope=20": "-scope",
		"-per-connection=0": "-per-connection", "-per-connection=17": "-per-connection", "-per-connection=2 -servers=outrigger,replicas": "replicas",
	} {
		if _, err := parse(strings.Fields(flags)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that names %s", flags, err, want)
		}
	}
}

func TestStartersAreTheOnesAskedFor(t *testing.T) {
	o, err := parse([]string{"-servers", "floor,outrigger"})
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := starters(o)
	if err != nil || len(chosen) != 2 || chosen[0].name != "floor" || chosen[1].name != "outrigger" {
		t.Errorf("chosen %v, error %v", chosen, err)
	}
	o.servers = "outriger"
	if _, err := starters(o); err == nil || !strings.Contains(err.Error(), `"outriger"`) {
		t.Errorf("error %v, want one that names outriger", err)
	}
}
