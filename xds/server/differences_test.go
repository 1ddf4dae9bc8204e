package server

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/golden"
)

const differencesFile = "testdata/stock/differences.md"

// TestStockScripts runs the scripts against go-control-plane's server. What it does otherwise is kept in one table, and
// each of its rows has a reason, written by hand: -update writes the rows anew and leaves the reasons as they are.
func TestStockScripts(t *testing.T) {
	why := readReasons(t)
	var rows []row
	for name, text := range readScripts(t, "testdata/scripts") {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				s := newScript(newStock(t, text, true), func(d difference) {
					rows = append(rows, row{name, d, why.of(name, d)})
				})
				s.run(t, text)
			})
		})
	}
	for name, text := range readScripts(t, "testdata/sotw") {
		name = "sotw/" + name
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				s := newSotwScript(newSotwStock(t, text), func(d difference) {
					rows = append(rows, row{name, d, why.of(name, d)})
				})
				s.run(t, text)
			})
		})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(strings.Compare(a.script, b.script), a.line-b.line)
	})
	golden.Files(t, "testdata/stock", map[string][]byte{"differences.md": writeReasons(rows, why.texts)})
	used := map[string]bool{}
	for _, r := range rows {
		used[r.why] = true
		if why.texts[r.why] == "" {
			t.Errorf("%s, %s: no reason is given", r.script, r.difference)
		}
	}
	for word := range why.texts {
		if !used[word] {
			t.Errorf("the reason %q is of nothing", word)
		}
	}
}

// row is one line of the table; why is a word that is explained below it.
type row struct {
	script string
	difference
	why string
}

// reasons are what the file says so far.
type reasons struct {
	rows  []row
	texts map[string]string
}

var (
	rowLine    = regexp.MustCompile("^\\| (\\S+) \\| (\\d+) \\| `(.*)` \\| (.*) \\| (\\S*) \\|$")
	reasonLine = regexp.MustCompile(`^- \*\*(\S+)\*\*: (.+)$`)
)

func readReasons(t *testing.T) reasons {
	t.Helper()
	r := reasons{texts: map[string]string{}}
	text, err := os.ReadFile(differencesFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := rowLine.FindStringSubmatch(line); m != nil {
			at, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			r.rows = append(r.rows, row{script: m[1], difference: difference{at, m[3], m[4]}, why: m[5]})
		}
		if m := reasonLine.FindStringSubmatch(line); m != nil {
			r.texts[m[1]] = m[2]
		}
	}
	return r
}

// of finds the reason of a difference, at its line or wherever in its script it was.
func (r reasons) of(script string, d difference) string {
	why := ""
	for _, row := range r.rows {
		switch {
		case row.script != script || row.step != d.step || row.instead != d.instead:
		case row.line == d.line:
			return row.why
		case why == "":
			why = row.why
		}
	}
	return why
}

const differencesHead = `# Where go-control-plane's server does otherwise

The scripts of this server, run against that of go-control-plane with a SnapshotCache that is set anew with every
publication: those of the delta form, and as sotw/... those of the state of the world. Lines that look into our server (settled, lagging, parked, refused, asked) are passed over;
all others count. TestStockScripts keeps the rows; the reasons are written by hand.

| script | line | what it should do | what it does | why |
|---|---|---|---|---|
`

func writeReasons(rows []row, texts map[string]string) []byte {
	var b bytes.Buffer
	b.WriteString(differencesHead)
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %d | `%s` | %s | %s |\n", r.script, r.line, r.step, r.instead, r.why)
	}
	b.WriteString("\n## Why\n\n")
	for _, word := range slices.Sorted(maps.Keys(texts)) {
		fmt.Fprintf(&b, "- **%s**: %s\n", word, texts[word])
	}
	return b.Bytes()
}
