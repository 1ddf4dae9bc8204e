package consul

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reason is why a registry is not to be believed.
type reason string

const (
	reasonUnreachable reason = "unreachable"
	reasonDenied      reason = "denied"
	reasonThrottled   reason = "throttled"
	reasonFailing     reason = "failing"
	reasonBadAnswer   reason = "bad answer"
	reasonStale       reason = "stale"
	reasonReset       reason = "reset"
	reasonFiltered    reason = "filtered"
	reasonToken       reason = "token"
)

// troubleError is what one watch reports.
type troubleError struct {
	reason reason
	err    error
}

func trouble(r reason, err error) *troubleError { return &troubleError{reason: r, err: err} }

func (e *troubleError) Error() string { return fmt.Sprintf("%s: %v", e.reason, e.err) }

func (e *troubleError) Unwrap() error { return e.err }

// reasonOf returns the reason that an error names, reasonUnreachable without one.
func reasonOf(err error) reason {
	if t, ok := errors.AsType[*troubleError](err); ok {
		return t.reason
	}
	return reasonUnreachable
}

// troubles are the watches that are in trouble. The text of what they add up to changes only with the set of reasons.
type troubles struct {
	source  string
	watches map[watchID]error
	// texts is the first error of each reason, as long as any watch has that reason.
	texts map[reason]error
	// count is how many watches have a reason.
	count map[reason]int
}

func newTroubles(source string) *troubles {
	return &troubles{source: source, watches: make(map[watchID]error), texts: make(map[reason]error), count: make(map[reason]int)}
}

// set says how a watch is; nil: well.
func (t *troubles) set(id watchID, err error) {
	if before, ok := t.watches[id]; ok {
		t.drop(reasonOf(before))
		delete(t.watches, id)
	}
	if err == nil {
		return
	}
	why := reasonOf(err)
	t.watches[id] = err
	t.count[why]++
	if t.texts[why] == nil {
		t.texts[why] = fmt.Errorf("%s: %w", id, err)
	}
}

func (t *troubles) drop(why reason) {
	if t.count[why]--; t.count[why] == 0 {
		delete(t.count, why)
		delete(t.texts, why)
	}
}

// key tells one set of reasons from another; empty without any.
func (t *troubles) key() string {
	var key strings.Builder
	for _, why := range slices.Sorted(maps.Keys(t.texts)) {
		key.WriteString(string(why) + ";")
	}
	return key.String()
}

// err joins all reasons in a fixed order; nil without any.
func (t *troubles) err() error {
	if len(t.texts) == 0 {
		return nil
	}
	return &sourceError{source: t.source, reasons: maps.Clone(t.texts)}
}

// sourceError is the trouble of a source.
type sourceError struct {
	source  string
	reasons map[reason]error
}

func (e *sourceError) Error() string {
	parts := make([]string, 0, len(e.reasons))
	for _, why := range slices.Sorted(maps.Keys(e.reasons)) {
		parts = append(parts, e.reasons[why].Error())
	}
	return e.source + ": " + strings.Join(parts, "; ")
}

// Unwrap returns the errors of all reasons.
func (e *sourceError) Unwrap() []error { return slices.Collect(maps.Values(e.reasons)) }
