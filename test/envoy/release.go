package envoy

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// Release is a version of Envoy.
type Release struct{ Major, Minor, Patch int }

// String returns the version as in 1.40.0.
func (r Release) String() string { return fmt.Sprintf("%d.%d.%d", r.Major, r.Minor, r.Patch) }

// Before says whether r is older than other.
func (r Release) Before(other Release) bool {
	return cmp.Or(cmp.Compare(r.Major, other.Major), cmp.Compare(r.Minor, other.Minor), cmp.Compare(r.Patch, other.Patch)) < 0
}

// ParseRelease reads a version such as 1.40.0.
func ParseRelease(text string) (Release, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Release{}, fmt.Errorf("version %q: want three numbers, as in 1.40.0", text)
	}
	var numbers [3]int
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return Release{}, fmt.Errorf("version %q: want three numbers, as in 1.40.0", text)
		}
		numbers[i] = n
	}
	return Release{Major: numbers[0], Minor: numbers[1], Patch: numbers[2]}, nil
}

// said finds the version in what Envoy says of itself: <commit>/1.40.0/Clean/RELEASE/BoringSSL.
var said = regexp.MustCompile(`version: \w+/(\d+\.\d+\.\d+)`)

// Running asks the Envoy that Binary finds for its version.
func Running(ctx context.Context) (Release, error) {
	binary, err := Binary()
	if err != nil {
		return Release{}, err
	}
	text, err := exec.CommandContext(ctx, binary, "--version").CombinedOutput()
	if err != nil {
		return Release{}, fmt.Errorf("asking %s for its version: %w: %s", binary, err, text)
	}
	found := said.FindSubmatch(text)
	if found == nil {
		return Release{}, fmt.Errorf("%s says no version: %s", binary, text)
	}
	return ParseRelease(string(found[1]))
}
