package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"outrigger.dev/outrigger/test/envoy"
)

// table writes rows as Markdown; the first is the heading.
func table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(row)))
		}
	}
	return b.String()
}

// heading is the first row of a table with a column for each version.
func heading(first []string, versions []envoy.Release) []string {
	row := slices.Clone(first)
	for _, v := range versions {
		row = append(row, v.String())
	}
	return row
}

// resultTable says how every suite fared with every version.
func resultTable(versions []envoy.Release, all []outcome) string {
	rows := [][]string{heading([]string{""}, versions)}
	for _, s := range suites() {
		row := []string{s.dir}
		for _, v := range versions {
			i := slices.IndexFunc(all, func(o outcome) bool { return o.suite == s && o.version == v })
			row = append(row, all[i].cell())
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// page is the part of docs/compatibility.md that follows from the pins, the suites and the differences.
func page(versions []envoy.Release) string {
	return "### What is tried\n\n" + suiteTable(versions) + "\n### What differs\n\n" + differenceTable(versions) + "\n" + reasons()
}

// suiteTable says what every suite tries, and where a version passes it in its own way.
func suiteTable(versions []envoy.Release) string {
	rows := [][]string{heading([]string{"what", "in"}, versions)}
	for _, s := range suites() {
		row := []string{s.what, "`" + s.dir + "`"}
		for _, v := range versions {
			row = append(row, passes(s, v))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// passes is the cell of a suite and a version: all tests pass, and those of differences expect them.
func passes(s suite, v envoy.Release) string {
	words := []string{"passes"}
	for i, d := range envoy.Differences() {
		if dir, _ := testOf(d); dir == s.dir && !d.In(v) {
			words = append(words, fmt.Sprintf("differs (%d)", i+1))
		}
	}
	return strings.Join(words, ", ")
}

// differenceTable says which version has what.
func differenceTable(versions []envoy.Release) string {
	rows := [][]string{heading([]string{"", "what", "since"}, versions)}
	for i, d := range envoy.Differences() {
		row := []string{fmt.Sprint(i + 1), d.What, fmt.Sprintf("%d.%d", d.Since.Major, d.Since.Minor)}
		for _, v := range versions {
			row = append(row, map[bool]string{true: "yes", false: "no"}[d.In(v)])
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// reasons says of each difference what happens without it, why, and which test expects it.
func reasons() string {
	var b strings.Builder
	for i, d := range envoy.Differences() {
		dir, test := testOf(d)
		fmt.Fprintf(&b, "%d. Before: %s. Why: %s.", i+1, d.Before, d.Why)
		for j, field := range d.Fields {
			fmt.Fprintf(&b, "%s`%s`", map[bool]string{true: " Ignored: ", false: ", "}[j == 0], path.Ext(field)[1:])
		}
		if len(d.Fields) > 0 {
			b.WriteString(".")
		}
		fmt.Fprintf(&b, " Expected by `%s` in `%s`.\n", test, dir)
	}
	return b.String()
}

// testOf is the folder and the name of the test that expects a difference.
func testOf(d envoy.Difference) (dir, name string) {
	i := strings.LastIndexByte(d.Test, '.')
	return d.Test[:i], d.Test[i+1:]
}
