package docs

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/envoy"
)

// TestCommands runs the marked blocks of every document, each document in one shell.
// Where a document writes to /tmp/hello, the test writes to a folder of its own.
func TestCommands(t *testing.T) {
	envoy.Path(t)
	ran := 0
	for _, file := range documents(t) {
		var script strings.Builder
		for _, b := range blocks(t, file) {
			if b.marked && b.language == "sh" {
				ran++
				script.WriteString(b.text)
			}
		}
		if script.Len() > 0 {
			t.Run(file, func(t *testing.T) { runScript(t, script.String()) })
		}
	}
	if ran == 0 {
		t.Error("no block is marked to be run")
	}
}

func runScript(t *testing.T, script string) {
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
	if !strings.Contains(string(output), "hello from behind two sidecars") {
		t.Errorf("the call through both sidecars answered nothing:\n%s", output)
	}
}
