package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"outrigger.dev/outrigger/test/envoy"
)

var update = flag.Bool("update", false, "write the expected output of scripts anew")

// awaitLimit is how long a script waits for what must come.
const awaitLimit = 20 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"outrigger": main,
		"xdsclient": xdsClientMain,
	})
}

// TestScripts runs every story in testdata/script. A script starts the real command as a process of
// its own; $IP is a loopback address that no other script has, so that ports never collide.
func TestScripts(t *testing.T) {
	t.Parallel()
	envoyBinary := envoy.Path(t)
	var scripts atomic.Uint32
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			pid := os.Getpid()
			env.Setenv("IP", fmt.Sprintf("127.%d.%d.%d", 64+pid>>8&63, pid&255, scripts.Add(1)))
			// Sockets have short paths only.
			data, err := os.MkdirTemp("", "outrigger") //nolint:usetesting // the folder of a test has too long a path for a socket
			if err != nil {
				return err
			}
			env.Defer(func() { _ = os.RemoveAll(data) })
			env.Setenv("DATA", data+"/data")
			env.Setenv("ENVOY", envoyBinary)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":   awaitCommand,
			"expand":  expandCommand,
			"mode":    modeCommand,
			"sigterm": sigtermCommand,
			"status":  statusCommand,
		},
	})
}

// awaitCommand runs a command until its output holds a text, or, with a negation, no longer holds it; the
// command may fail: await TEXT COMMAND ARGS...
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await TEXT COMMAND...")
	}
	until(ts, func() (string, bool) {
		_ = ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		return out, strings.Contains(out, args[0]) != neg
	})
}

// sigtermCommand asks the newest background process of a command to end: sigterm COMMAND.
func sigtermCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: sigterm COMMAND")
	}
	for _, cmd := range slices.Backward(ts.BackgroundCmds()) {
		if cmd.Args[0] == args[0] || filepath.Base(cmd.Path) == args[0] {
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
			return
		}
	}
	ts.Fatalf("no %s runs in the background", args[0])
}

// expandCommand puts the values of variables into a file: expand FILE.
func expandCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// modeCommand checks the permissions of a file: mode 0600 FILE.
func modeCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: mode PERMISSIONS FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// statusCommand waits until a URL answers with a code and a text, or, with a negation, without the text: status URL CODE [TEXT].
func statusCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 || neg && len(args) < 3 {
		ts.Fatalf("usage: status URL CODE [TEXT]")
	}
	until(ts, func() (string, bool) {
		code, body, err := get(args[0])
		if err != nil {
			return err.Error(), false
		}
		holds := len(args) == 2 || strings.Contains(body, args[2]) != neg
		return fmt.Sprintf("%d %s", code, body), strconv.Itoa(code) == args[1] && holds
	})
}

// until calls try until it holds; a failure shows what it saw last.
func until(ts *testscript.TestScript, try func() (saw string, ok bool)) {
	ctx, cancel := context.WithTimeout(context.Background(), awaitLimit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		saw, ok := try()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("still not so after %s; last: %s", awaitLimit, saw)
		case <-ticker.C:
		}
	}
}

func get(url string) (code int, body string, err error) {
	response, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}
