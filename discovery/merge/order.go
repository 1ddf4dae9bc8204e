package merge

import (
	"cmp"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

// The kinds of sources whose workloads have identities, and the kind that follows them.
const (
	kindKubernetes = "kubernetes"
	kindFile       = "file"
	kindConsul     = "consul"
)

// rank says how early a kind of sources counts.
func rank(kind string) int {
	switch kind {
	case kindKubernetes:
		return 0
	case kindFile:
		return 1
	case kindConsul:
		return 2
	}
	return 3
}

// identifies reports whether the workloads of a source have identities.
func identifies(source discovery.SourceID) bool { return rank(source.Kind) < rank(kindConsul) }

// compareSources is the order in which sources count.
func compareSources(a, b discovery.SourceID) int {
	return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}
