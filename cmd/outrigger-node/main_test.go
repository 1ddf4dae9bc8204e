package main

import (
	"flag"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"outrigger.dev/outrigger/test/netlab"
)

var update = flag.Bool("update", false, "write the expected output of scripts anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"outrigger-node": main})
}

func params(dir string) testscript.Params {
	return testscript.Params{Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update}
}

// TestScripts runs what everybody may do.
func TestScripts(t *testing.T) { testscript.Run(t, params("testdata/script")) }

// TestScriptsAsRoot runs the stories of testdata/root. In each $POD is the network namespace of a pod of its own.
func TestScriptsAsRoot(t *testing.T) {
	netlab.NeedRoot(t)
	lab := netlab.New(t)
	p := params("testdata/root")
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("POD", lab.Pod(t, "pod").Path())
		return nil
	}
	t.Run("scripts", func(t *testing.T) { testscript.Run(t, p) })
}

// TestHoldsNoControlPlane follows all imports, also those of other modules. The linter sees the direct ones only.
func TestHoldsNoControlPlane(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("the list of imports is %v", deps)
	}
	for _, dep := range deps {
		for _, foreign := range []string{
			"outrigger.dev/outrigger/certs", "outrigger.dev/outrigger/xds", "outrigger.dev/outrigger/policy",
			"outrigger.dev/outrigger/discovery", "github.com/envoyproxy/", "google.golang.org/grpc", "k8s.io/client-go",
		} {
			if strings.HasPrefix(dep, foreign) {
				t.Errorf("outrigger-node holds %s", dep)
			}
		}
	}
}
