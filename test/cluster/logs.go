package cluster

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// logLines is how much of each log is shown when a test failed.
const logLines = 60

// tail is the end of a log under its name; nothing for what has never been started.
func tail(name, path string) string {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		return fmt.Sprintf("== %s: %v\n", name, err)
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	left := max(0, len(lines)-logLines)
	return fmt.Sprintf("== %s (%d earlier lines left out)\n%s\n", name, left, strings.Join(lines[left:], "\n"))
}
