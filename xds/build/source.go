package build

import (
	"cmp"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

// compareSources is the order in which sources count.
func compareSources(a, b discovery.SourceID) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}
