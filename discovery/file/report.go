package file

import (
	"log/slog"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// maxLines is how many lines of one file are logged at a time; the metric and the status have all.
const maxLines = 5

// report tells the log and the observer what is wrong, once, and when it is over.
type report struct {
	logger   *slog.Logger
	observer Observer
	// told are the problems of each file as they were told last.
	told        map[string][]discovery.Problem
	toldTrouble string
}

func newReport(logger *slog.Logger, observer Observer) *report {
	return &report{logger: logger, observer: observer, told: make(map[string][]discovery.Problem)}
}

func (r *report) trouble(err error) {
	if errorText(err) == r.toldTrouble {
		return
	}
	r.toldTrouble = errorText(err)
	if r.observer != nil {
		r.observer.Trouble(err)
	}
	if err != nil {
		r.logger.Error("a part of the folder is not known, what is known stays in use", "error", err)
		return
	}
	r.logger.Info("the whole folder is known again")
}

// problems tells the lists of these files that are not what was told.
func (r *report) problems(m *mesh, files []string) {
	for _, file := range files {
		found := m.problems.Get(file)
		if slices.Equal(found, r.told[file]) {
			continue
		}
		r.log(file, found)
		if r.told[file] = found; len(found) == 0 {
			delete(r.told, file)
		}
		if r.observer != nil {
			r.observer.Problems(file, found)
		}
	}
}

// log writes a line for each new problem of a file, and one when nothing is wrong any more.
func (r *report) log(file string, found []discovery.Problem) {
	if len(found) == 0 {
		r.logger.Info("nothing is wrong with the file any more", "file", file)
		return
	}
	lines := 0
	for _, problem := range found {
		if slices.Contains(r.told[file], problem) {
			continue
		}
		if lines++; lines > maxLines {
			r.logger.Warn("the file has more problems", "file", file, "problems", len(found))
			return
		}
		r.line(problem)
	}
}

func (r *report) line(problem discovery.Problem) {
	attributes := []any{"location", problem.Location, "reason", problem.Reason, "detail", problem.Message}
	if problem.Field != "" {
		attributes = append(attributes, "field", problem.Field)
	}
	if problem.Object != (discovery.ObjectID{}) {
		attributes = append(attributes, "object", problem.Object.String())
	}
	if problem.Warning {
		r.logger.Warn("the configuration has a flaw", attributes...)
		return
	}
	r.logger.Error("the configuration is refused, what was good before stays in use", attributes...)
}

// errorText is the text of an error, empty for none.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
