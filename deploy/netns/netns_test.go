package netns_test

import (
	"errors"
	"net"
	"os"
	"testing"

	"outrigger.dev/outrigger/deploy/netns"
	"outrigger.dev/outrigger/test/netlab"
)

// here names the namespace of the calling thread.
func here(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNamespaceIsEnteredAndLeft(t *testing.T) {
	netlab.NeedRoot(t)
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	home, failed := here(t), errors.New("failed")
	err = ns.Do(func() error {
		if here(t) == home {
			t.Error("the namespace is the one of the test")
		}
		interfaces, err := net.Interfaces()
		if err != nil || len(interfaces) != 1 || interfaces[0].Name != "lo" {
			t.Errorf("the interfaces are %v, error %v, want lo alone", interfaces, err)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error %v, want that of the function", err)
	}
	if here(t) != home {
		t.Error("the thread did not come back")
	}
	if err := ns.Close(); err != nil {
		t.Error(err)
	}
}

func TestNamespaceIsFoundByItsPath(t *testing.T) {
	netlab.NeedRoot(t)
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	same, err := netns.Open(ns.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	var one, two string
	if err := errors.Join(
		ns.Do(func() error { one = here(t); return nil }),
		same.Do(func() error { two = here(t); return nil }),
	); err != nil {
		t.Fatal(err)
	}
	if one != two {
		t.Errorf("the path leads to %s, want %s", two, one)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	if _, err := netns.Open("/proc/self/ns/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}
