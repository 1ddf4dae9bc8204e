//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/test/netlab"
)

// TestLab runs the stories of testdata/root. $LAB is a folder that every user may pass.
func TestLab(t *testing.T) {
	t.Parallel()
	netlab.NeedRoot(t)
	binary := envoy.Path(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/root",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			dir, err := os.MkdirTemp("", "outrigger") //nolint:usetesting // sockets have short paths only
			if err != nil {
				return err
			}
			env.Defer(func() { _ = os.RemoveAll(dir) })
			env.Setenv("PRIVATE", dir)
			env.Setenv("LAB", filepath.Join(dir, "open", "lab"))
			env.Setenv("ENVOY", binary)
			return os.Mkdir(filepath.Join(dir, "open"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": awaitCommand, "sigterm": sigtermCommand, "pass": passCommand,
		},
	})
}

// passCommand lets every user pass folders: pass FOLDER...
func passCommand(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		ts.Check(os.Chmod(dir, 0o711))
	}
}

func TestLabNeedsRoot(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"lab", "--envoy", "/bin/sh"}, {"lab", "shell", "frontend-1"}} {
		cmd := exec.Command("/proc/self/exe", args...)
		cmd.Args[0] = "outrigger"
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		var said bytes.Buffer
		cmd.Dir, cmd.Stderr = "/", &said
		if err := cmd.Run(); err == nil {
			t.Errorf("%v: it ran", args)
		}
		if text := said.String(); !strings.Contains(text, "needs root") || !strings.Contains(text, "next: sudo outrigger lab") {
			t.Errorf("%v: it said %q", args, text)
		}
	}
}
