package file

import (
	"errors"
	"maps"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Load reads a folder once: everything that is good in it, all that is wrong,
// or why it cannot be read. A file that cannot be read is among the problems.
func Load(dir string) (Update, []discovery.Problem, error) {
	m := newMesh(discovery.SourceID{Kind: "file"})
	f := newFolder(dir, m, 0)
	f.scan(time.Time{}, true)
	if f.lost != nil {
		return Update{}, nil, f.trouble()
	}
	if err := errors.Join(slices.Collect(maps.Values(f.unreadable))...); err != nil {
		return Update{}, nil, err
	}
	m.settle()
	update := m.pending()
	update.Revision = f.taken()
	update.Synced, update.Trouble = true, f.trouble()
	var problems []discovery.Problem
	for _, file := range slices.Sorted(maps.Keys(update.Files)) {
		problems = append(problems, update.Files[file]...)
	}
	return update, problems, nil
}
