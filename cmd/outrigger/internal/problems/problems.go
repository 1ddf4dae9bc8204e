// Package problems says where what is wrong with users' objects stands, puts it
// in order and spells it as the debug views do, for the server and for validate alike.
//
// It may import discovery and xds/debug. It never judges anything.
package problems

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/debug"
)

// Sort orders problems by file, line, object and field.
func Sort(list []discovery.Problem) {
	slices.SortStableFunc(list, func(a, b discovery.Problem) int {
		fileA, lineA := Place(a.Location)
		fileB, lineB := Place(b.Location)
		return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(lineA, lineB), a.Object.Compare(b.Object),
			cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
}

// Place takes "<file>:<line>" apart; the line is 0 where there is none.
func Place(location string) (file string, line int) {
	at := strings.LastIndexByte(location, ':')
	if at < 0 {
		return location, 0
	}
	line, err := strconv.Atoi(location[at+1:])
	if err != nil {
		return location, 0
	}
	return location[:at], line
}

// ForDebug spells problems as the debug views do.
func ForDebug(list []discovery.Problem) []debug.Problem {
	shown := make([]debug.Problem, 0, len(list))
	for _, p := range list {
		object := ""
		if p.Object != (discovery.ObjectID{}) {
			object = p.Object.String()
		}
		shown = append(shown, debug.Problem{
			Location: p.Location, Object: object, Field: p.Field, Reason: p.Reason, Message: p.Message, Warning: p.Warning,
		})
	}
	return shown
}
