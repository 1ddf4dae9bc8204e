package kube

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"outrigger.dev/outrigger/internal/conns"
)

// server stands for the API server itself, where trouble is not that of one kind.
var server = kind{name: "API server"}

// pulse tells the run what comes of asking the API server who it is.
type pulse struct{ events chan<- event }

func (p pulse) take(ctx context.Context, err error) conns.Answer {
	switch {
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
