package file_test

import (
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/discovery/sourcetest"
)

// TestSuiteHeld runs the suite over a folder that is held: holding must not show as long as nothing is wrong.
func TestSuiteHeld(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Registry {
		t.Helper()
		return held{Registry: openRegistry(t)}
	})
}

type held struct{ sourcetest.Registry }

func (h held) Source(t *testing.T) discovery.Source {
	t.Helper()
	source, err := hold.New(hold.Config{
		Source: h.Registry.Source(t), ID: discovery.SourceID{Kind: "file", Name: "test"}, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return source
}
