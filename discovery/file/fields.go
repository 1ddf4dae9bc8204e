package file

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// fieldsOf returns the fields of a struct by their names in JSON, those of inlined structs among them.
func (d *decoder) fieldsOf(t reflect.Type) map[string][]int {
	if known, ok := d.fields[t]; ok {
		return known
	}
	known := make(map[string][]int, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && (f.Anonymous || strings.Contains(options, "inline")):
			for inner, index := range d.fieldsOf(f.Type) {
				known[inner] = append([]int{i}, index...)
			}
		case name != "" && name != "-":
			known[name] = []int{i}
		}
	}
	d.fields[t] = known
	return known
}

// unknownField names the field that may have been meant.
func unknownField(name string, known map[string][]int) string {
	names := slices.Sorted(maps.Keys(known))
	best, distance := "", 3
	for _, candidate := range names {
		if strings.EqualFold(candidate, name) {
			best, distance = candidate, 0
		} else if d := editDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("unknown field; did you mean %s?", best)
	}
	if len(names) > 12 {
		return "unknown field: remove it"
	}
	return "unknown field: remove it, or use one of " + strings.Join(names, ", ")
}

// editDistance counts the letters to insert, remove or replace between two names.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
