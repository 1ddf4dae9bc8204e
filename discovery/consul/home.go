package consul

import (
	"context"
	"errors"
)

// findHome asks for the datacenter of the server itself where another may be meant, since only instances of another one
// are reached by their wan addresses. It asks until it is told.
func (r *run) findHome(ctx context.Context, w *watch) error {
	if r.config.Datacenter == "" {
		return nil
	}
	for {
		ring := r.bell.wait()
		home, err := r.askHome(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			r.source.home.Store(&home)
			return nil
		case errors.Is(err, errReplaced):
			continue
		}
		if err := w.fail(ctx, err, ring); err != nil {
			return err
		}
	}
}

// askHome reads where Consul's own servers are.
func (r *run) askHome(ctx context.Context) (string, error) {
	var home string
	path := watchID{kindHealth, name{service: ownService}}.path()
	_, err := r.client.get(ctx, request{path: path, home: true}, func(_ *answer, body []byte) error {
		return decodeRows(body, func(from *row) error {
			home = from.Node.Datacenter
			return nil
		})
	})
	if err == nil && home == "" {
		err = trouble(reasonFiltered, errors.New("it shows no servers of its own, so that its datacenter is not known (the token needs node:read and service:read)"))
	}
	return home, err
}
