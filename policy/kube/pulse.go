package kube

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"outrigger.dev/outrigger/internal/conns"
)

// server stands for the API server itself, where trouble is not that of one kind.
var server = kind{name: "API server"}

// pulse asks the API server who it is, and tells the run what came of it.
type pulse struct {
	// same returns nil when the cluster answers that answered first.
	same   func(context.Context) error
	events chan<- event
}

// ask asks once. An answer that comes late ends no trouble: the next question would bring it back.
func (p pulse) ask(ctx context.Context, within time.Duration) conns.Answer {
	asked := time.Now()
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := p.same(limited)
	switch {
	case ctx.Err() != nil:
		return conns.Bad
	case err == nil && time.Since(asked) > conns.AskLimit:
		return conns.Late
	case err == nil:
		p.tell(ctx, event{what: answered})
		return conns.Good
	case apierrors.IsTooManyRequests(err):
		return conns.Good
	}
	p.tell(ctx, event{what: failed, err: err})
	if errors.Is(err, errOtherCluster) || apierrors.ReasonForError(err) != "" {
		return conns.Bad
	}
	return conns.Silent
}

func (p pulse) tell(ctx context.Context, e event) {
	e.kind = server
	select {
	case <-ctx.Done():
	case p.events <- e:
	}
}
