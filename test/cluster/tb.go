package cluster

import (
	"fmt"
	"os"
)

// TB is the part of testing.TB that StartKube and StartConsul need.
type TB interface {
	Helper()
	Fatal(args ...any)
	Error(args ...any)
	Log(args ...any)
	Failed() bool
	Cleanup(f func())
}

// closer is a running registry.
type closer interface {
	// Logs is the last that its processes said.
	Logs() string
	Close() error
}

// endWith ends a registry with a test, and shows its logs when the test failed.
func endWith(tb TB, c closer) {
	tb.Helper()
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(c.Logs())
		}
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
}

// endAfter ends a registry after the tests of a package, and shows its logs
// when the code says that they failed. It returns the code to exit with.
func endAfter(c closer, code int) int {
	if code != 0 {
		fmt.Fprintln(os.Stderr, c.Logs())
	}
	if err := c.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
