package kube

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the trouble of an update may be; errors.Is tells.
var (
	// ErrUnreachable says that the API server does not answer.
	ErrUnreachable = errors.New("the API server is not reachable")
	// ErrFailing says that the API server answers with failures.
	ErrFailing = errors.New("the API server fails")
	// ErrDenied says that the API server refuses what the source needs.
	ErrDenied = errors.New("the API server denies access")
	// ErrMissing says that a kind is gone from the API server.
	ErrMissing = errors.New("the kind is gone")
	// ErrOtherCluster says that another cluster answers than the one that was read first.
	ErrOtherCluster = errors.New("another cluster answers")
	// ErrOlder says that the API server tells an older state than it did before.
	ErrOlder = errors.New("the API server tells an older state than before")
)

// clientDecoding is the cause that client-go gives to a watch which broke off in the middle of an event.
const clientDecoding metav1.CauseType = "ClientWatchDecoding"

// classify says which of the errors above a failed request means.
func classify(err error) error {
	for _, known := range []error{ErrUnreachable, ErrFailing, ErrDenied, ErrMissing, ErrOtherCluster, ErrOlder} {
		if errors.Is(err, known) {
			return known
		}
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return ErrUnreachable
	}
	if details := status.Status().Details; details != nil && slices.ContainsFunc(details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == clientDecoding
	}) {
		return ErrUnreachable
	}
	switch status.Status().Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrDenied
	case http.StatusNotFound:
		return ErrMissing
	}
	return ErrFailing
}

// expired reports whether a watch or a list cannot go on from where it was, and has to begin anew.
func expired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}

// throttled reports whether the API server asks to come later.
func throttled(err error) bool { return apierrors.IsTooManyRequests(err) }

// troubles are what is not to be believed now, by part: a kind, or the API server itself.
type troubles struct {
	parts map[string]trouble
	// news is the last trouble that began and was not asked for; it may be over.
	news error
}

type trouble struct {
	class error
	err   error
}

func newTroubles() troubles { return troubles{parts: make(map[string]trouble)} }

// begin notes a trouble of a part. Trouble of the same class goes on with the words that it began with,
// so that a reader hears of it once.
func (t *troubles) begin(part string, err error) {
	class := classify(err)
	if known, ok := t.parts[part]; ok && errors.Is(known.class, class) {
		return
	}
	if !errors.Is(err, class) {
		err = fmt.Errorf("%w: %w", class, err)
	}
	t.parts[part] = trouble{class: class, err: fmt.Errorf("%s: %w", part, err)}
	t.news = t.err()
}

// takeNews returns what began since it was asked last, nil for nothing: also
// trouble that was over soon must be told, since what was read after it is not beyond doubt.
func (t *troubles) takeNews() error {
	news := t.news
	t.news = nil
	return news
}

func (t *troubles) end(part string) { delete(t.parts, part) }

// none reports whether everything is to be believed.
func (t *troubles) none() bool { return len(t.parts) == 0 }

// is reports whether a part is in trouble of that class.
func (t *troubles) is(part string, class error) bool { return errors.Is(t.parts[part].class, class) }

// err is all trouble in one, nil for none. An API server that is away is named once and not for every kind.
func (t *troubles) err() error {
	errs := make([]error, 0, len(t.parts))
	away := false
	for _, part := range slices.Sorted(maps.Keys(t.parts)) {
		trouble := t.parts[part]
		unreachable := errors.Is(trouble.class, ErrUnreachable)
		if unreachable && away {
			continue
		}
		away = away || unreachable
		errs = append(errs, trouble.err)
	}
	return errors.Join(errs...)
}

// textOf is the text of an error, empty for none.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
