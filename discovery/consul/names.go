package consul

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// The kinds of the objects that problems are told of.
const (
	kindService  = "ConsulService"
	kindInstance = "ConsulInstance"
)

// labelService names the service of an instance among its labels.
const labelService = "outrigger.dev/consul-service"

const (
	// maxLabel is the length of a DNS label, maxWorkload that of a DNS name.
	maxLabel, maxWorkload = 63, 253
	// shortHash and longHash are lengths in hex digits.
	shortHash, longHash = 6, 16
)

// name is what the registry calls a service.
type name struct{ service, peer string }

// String returns "<service>", or "<service>@<peer>" for one of a peer.
func (n name) String() string {
	if n.peer == "" {
		return n.service
	}
	return n.service + "@" + n.peer
}

func (n name) compare(other name) int {
	return cmp.Or(strings.Compare(n.service, other.service), strings.Compare(n.peer, other.peer))
}

// clash says that a name could not have the label that it would have alone.
type clash struct{ loser, winner name }

// assign gives every name a DNS label of its own, the same whatever the order: a name that is one keeps it, then come
// services of peers as <name>-<peer>, then the readable form of all others with a short hash. Where a label is taken the hash is longer.
func assign(names []name) (map[name]string, []clash) {
	ordered := slices.Clone(names)
	slices.SortFunc(ordered, func(a, b name) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), a.compare(b)) })
	labels := make(map[name]string, len(ordered))
	owners := make(map[string]name, len(ordered))
	var clashes []clash
	for _, n := range ordered {
		text := wanted(n)
		if winner, taken := owners[text]; taken {
			clashes = append(clashes, clash{loser: n, winner: winner})
			text = hashed(n.service+" "+n.peer, n.String(), maxLabel, longHash)
		}
		labels[n], owners[text] = text, n
	}
	return labels, clashes
}

// rank says who goes first where labels clash.
func rank(n name) int {
	switch {
	case n.peer == "" && isLabel(n.service):
		return 0
	case n.peer != "" && isLabel(n.service+"-"+n.peer):
		return 1
	}
	return 2
}

// wanted is the label that a name has alone.
func wanted(n name) string {
	switch rank(n) {
	case 0:
		return n.service
	case 1:
		return n.service + "-" + n.peer
	}
	return hashed(n.service+" "+n.peer, n.String(), maxLabel, shortHash)
}

// label returns a text as a DNS label: itself where it is one, else its readable form with a hash.
func label(text string, limit int) string {
	if isLabel(text) {
		return text
	}
	return hashed(text, text, limit, shortHash)
}

// workloadName is <node>.<id>, with a hash where that is no DNS name or could be read in two ways.
func workloadName(key instanceKey, peer string) string {
	plain := key.node + "." + key.id
	if peer == "" && isLabel(key.id) && isDNS(key.node) && len(plain) <= maxWorkload {
		return plain
	}
	return hashed(plain, peer+"\x00"+key.node+"\x00"+key.id, maxWorkload, longHash/2)
}

// hashed returns the readable form of a text, with a hash of what tells it from others.
func hashed(text, identity string, limit, digits int) string {
	sum := sha256.Sum256([]byte(identity))
	suffix := hex.EncodeToString(sum[:])[:digits]
	readable := []byte(strings.ToLower(text))
	keep := readable[:0]
	for _, c := range readable {
		if !isAlphanumeric(c) && (c != '.' || limit == maxLabel) {
			c = '-'
		}
		// No hyphen or dot follows another, or stands first.
		if isAlphanumeric(c) || (len(keep) > 0 && isAlphanumeric(keep[len(keep)-1])) {
			keep = append(keep, c)
		}
	}
	front := strings.TrimRight(string(keep[:min(len(keep), limit-digits-1)]), "-.")
	return cmp.Or(front, "service") + "-" + suffix
}

func isAlphanumeric(c byte) bool { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') }

// isLabel reports whether a text is a DNS label in lower case.
func isLabel(text string) bool {
	if text == "" || len(text) > maxLabel || !isAlphanumeric(text[0]) || !isAlphanumeric(text[len(text)-1]) {
		return false
	}
	for _, c := range []byte(text) {
		if !isAlphanumeric(c) && c != '-' {
			return false
		}
	}
	return true
}

// isDNS reports whether a text is labels with dots between.
func isDNS(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		if !isLabel(part) {
			return false
		}
	}
	return true
}

// isLabelKey reports whether a text is the key of a label as Kubernetes has them: a name, or <DNS name>/<name>.
func isLabelKey(text string) bool {
	prefix, rest, found := strings.Cut(text, "/")
	if !found {
		return text != "" && isLabelValue(text)
	}
	return isDNS(prefix) && rest != "" && isLabelValue(rest)
}

// isLabelValue reports whether a text is the value of a label: empty, or letters, digits, hyphens, underscores and dots.
func isLabelValue(text string) bool {
	if text == "" {
		return true
	}
	letter := func(c byte) bool { return isAlphanumeric(c) || (c >= 'A' && c <= 'Z') }
	for _, c := range []byte(text) {
		if !letter(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return len(text) <= maxLabel && letter(text[0]) && letter(text[len(text)-1])
}
