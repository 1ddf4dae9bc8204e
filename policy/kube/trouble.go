package kube

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// olderLimit is for how long a state that is older than one before is no news; after that the cluster was restored for good.
const olderLimit = 5 * time.Minute

// errOlder says that a cluster went back in time.
var errOlder = errors.New("the API server came back with an older state")

// version is how far a kind was seen.
type version struct {
	// highest and newest are the highest resource version of all and that of the last state.
	highest, newest uint64
	// older is since when newest is below highest; zero: it is not.
	older time.Time
}

// troubles knows which kinds cannot be believed to be as they are told, and tells the log.
type troubles struct {
	logger *slog.Logger
	// of are the kinds in trouble, by name.
	of map[string]error
	// seen are the versions of the kinds that were ever there.
	seen map[string]*version
	// missing are the kinds that were never there.
	missing map[string]bool
	// untold is trouble that the reader has to be told first of all.
	untold error
	// told is the text of what the reader knows.
	told string
}

func newTroubles(logger *slog.Logger) *troubles {
	return &troubles{
		logger: logger, of: make(map[string]error), seen: make(map[string]*version), missing: make(map[string]bool),
	}
}

// isAbsent reports whether the cluster does not have the kind, and never had while anybody watched.
func (t *troubles) isAbsent(e event) bool {
	if t.missing[e.kind.name] {
		// A definition is there for a moment before its kind is served, and after.
		return errors.Is(e.err, errNotInstalled) || errors.Is(e.err, errBeingDeleted) || apierrors.IsNotFound(e.err)
	}
	if t.seen[e.kind.name] != nil || !errors.Is(e.err, errNotInstalled) {
		return false
	}
	t.logger.Warn("the kind is not installed, none of its objects is in use", "definition", e.kind.definition())
	t.missing[e.kind.name] = true
	delete(t.of, e.kind.name)
	return true
}

// failed notes that a kind cannot be watched. While that lasts, the first reason is the one that is told.
func (t *troubles) failed(e event) {
	if before := t.of[e.kind.name]; before != nil && sameClass(before, e.err) {
		return
	}
	t.logger.Error("policies cannot be watched, what is known stays in use", "kind", e.kind.name, "error", e.err)
	t.of[e.kind.name] = e.err
	t.untold = t.now()
}

// answered notes that the API server is there, and reports whether nothing is the matter.
func (t *troubles) answered() bool {
	if t.of[server.name] != nil {
		t.logger.Info("the API server answers again")
		delete(t.of, server.name)
	}
	return t.now() == nil
}

// began notes that a kind's whole state was read. A state that is older than one before is trouble of its own: the
// cluster was restored, and what is missing may be what came since.
func (t *troubles) began(e event, now time.Time) {
	if t.of[e.kind.name] != nil {
		t.logger.Info("policies are watched again", "kind", e.kind.name)
	}
	delete(t.of, e.kind.name)
	delete(t.missing, e.kind.name)
	known := t.seen[e.kind.name]
	if known == nil {
		known = &version{}
		t.seen[e.kind.name] = known
	}
	if at := versionOf(e.version); at < known.highest && known.older.IsZero() {
		t.logger.Error("the API server came back older", "kind", e.kind.name, "version", at, "version_before", known.highest)
		known.newest, known.older = at, now
		t.untold = t.now()
	}
}

// advanced notes how far a kind is.
func (t *troubles) advanced(e event) {
	known, at := t.seen[e.kind.name], versionOf(e.version)
	if known == nil {
		return
	}
	known.newest = max(known.newest, at)
	if at >= known.highest {
		*known = version{highest: at, newest: at}
	}
}

// expire ends the trouble of states that are older for so long that they are the truth, and returns when it is to be called again; zero:
// not at all.
func (t *troubles) expire(now time.Time) time.Time {
	var next time.Time
	for _, known := range t.seen {
		if known.older.IsZero() {
			continue
		}
		end := known.older.Add(olderLimit)
		if !now.Before(end) {
			*known = version{highest: known.newest, newest: known.newest}
		} else if next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return next
}

// versionOf reads a resource version, which grows with every change of the whole cluster; 0 is none.
func versionOf(text string) uint64 {
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return version
}

// now returns all trouble that lasts.
func (t *troubles) now() error {
	errs := make([]error, 0, len(t.of))
	for _, kind := range slices.Sorted(maps.Keys(t.of)) {
		errs = append(errs, t.of[kind])
	}
	for _, kind := range slices.Sorted(maps.Keys(t.seen)) {
		if known := t.seen[kind]; !known.older.IsZero() {
			errs = append(errs, fmt.Errorf("%s: %w: it was at resource version %d", kind, errOlder, known.highest))
		}
	}
	return errors.Join(errs...)
}

// sent remembers what the reader was told.
func (t *troubles) sent(trouble error) {
	t.untold = nil
	t.told = errorText(trouble)
}

// sameClass reports whether both errors say the same but for details that change with every attempt, such as port numbers.
func sameClass(a, b error) bool {
	return errors.Is(a, errNotInstalled) == errors.Is(b, errNotInstalled) &&
		errors.Is(a, errBeingDeleted) == errors.Is(b, errBeingDeleted) &&
		errors.Is(a, errOtherCluster) == errors.Is(b, errOtherCluster) &&
		apierrors.ReasonForError(a) == apierrors.ReasonForError(b)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
