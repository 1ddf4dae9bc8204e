package docs

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/test/netlab"
)

// TestCommands runs the marked blocks of every document, each document in one shell.
// Where a document writes to /tmp/hello, the test writes to a folder of its own.
func TestCommands(t *testing.T) {
	envoy.Path(t)
	for file, want := range says {
		t.Run(file, func(t *testing.T) {
			var script strings.Builder
			for _, b := range blocks(t, file) {
				if !b.marked || b.language != "sh" {
					continue
				}
				if b.asRoot {
					netlab.NeedRoot(t)
				}
				script.WriteString(b.text)
			}
			runScript(t, script.String(), want)
		})
	}
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.marked && says[file] == "" {
				t.Errorf("%s has a block that is marked to be run, and is not run: say what it prints", file)
			}
		}
	}
}

// says are the documents with blocks that are run, and what comes out of them.
var says = map[string]string{
	"README.md":       "hello from behind two sidecars",
	"docs/capture.md": "was called by spiffe://cluster.local/ns/shop/sa/frontend, by mTLS",
}

func runScript(t *testing.T, script, want string) {
	t.Helper()
	dir := t.TempDir()
	script = strings.ReplaceAll(script, "/tmp/hello", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// What the script leaves running in the background ends with it.
	script = "trap 'kill $(jobs -p); wait' EXIT\n" + script
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\nscript:\n%s\noutput:\n%s", err, script, output)
	}
	if !strings.Contains(string(output), want) {
		t.Errorf("nothing of %q in:\n%s", want, output)
	}
}
