package golden

import (
	"os"
	"path/filepath"
	"testing"
)

func TestShapeForbidsAnotherVersionForEqualInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "1.txt")
	if was, err := readShape(file); err != nil || len(was) != 0 {
		t.Fatalf("no file: %v, %v", was, err)
	}
	web := Versioned{Case: "pair", Input: []byte("a"), Type: "listener", Name: "grpc/server?xds.resource.listening_address=0.0.0.0:80", Version: "v1"}
	cart := Versioned{Case: "pair", Input: []byte("a"), Type: "cluster", Name: "cart", Version: "v1"}
	if err := os.WriteFile(file, shapeText([]Versioned{web, cart}), 0o600); err != nil {
		t.Fatal(err)
	}
	was, err := readShape(file)
	if err != nil {
		t.Fatal(err)
	}
	same, other, edited, more := web, web, web, web
	other.Version = "v2"
	edited.Version, edited.Input = "v2", []byte("b")
	more.Version, more.Case = "v2", "new"
	for name, test := range map[string]struct {
		resources []Versioned
		want      int
	}{
		"the same":            {[]Versioned{same, cart}, 0},
		"one is gone":         {[]Versioned{cart}, 0},
		"another version":     {[]Versioned{other, cart}, 1},
		"its input is edited": {[]Versioned{edited, cart}, 0},
		"a case is new":       {[]Versioned{same, cart, more}, 0},
	} {
		if got := broken(was, test.resources); len(got) != test.want {
			t.Errorf("%s: %d of them are broken, want %d: %v", name, len(got), test.want, got)
		}
	}
	if err := os.WriteFile(file, []byte("no version\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if was, err := readShape(file); err == nil {
		t.Errorf("a broken file: %v", was)
	}
}
