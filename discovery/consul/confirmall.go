package consul

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"outrigger.dev/outrigger/discovery"
)

var (
	_ discovery.ServiceConfirmer  = (*Source)(nil)
	_ discovery.WorkloadConfirmer = (*Source)(nil)
)

// errHidden says that a second read proves nothing.
var errHidden = errors.New("access rules hide a part of the answer")

// ConfirmServices lists the services a second time, as Confirm reads one, sorted.
func (s *Source) ConfirmServices(ctx context.Context) ([]discovery.ServiceID, error) {
	names, err := s.confirmNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("confirm all services: %s: %w", s.ID(), err)
	}
	labels, _ := assign(names)
	ids := make([]discovery.ServiceID, 0, len(labels))
	for _, label := range labels {
		ids = append(ids, discovery.ServiceID{Namespace: s.config.MeshNamespace, Name: label})
	}
	slices.SortFunc(ids, discovery.ServiceID.Compare)
	return ids, nil
}

// ConfirmWorkloads lists the instances of all services a second time, as Confirm reads those of one, sorted. It makes a request
// for each service, a few at a time.
func (s *Source) ConfirmWorkloads(ctx context.Context) ([]discovery.WorkloadID, error) {
	names, err := s.confirmNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("confirm all instances: %s: %w", s.ID(), err)
	}
	found := make([]instances, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.config.MaxInFlight)
	for i, n := range names {
		group.Go(func() (err error) {
			if found[i], err = s.confirm(ctx, n); err != nil {
				return fmt.Errorf("confirm all instances: %s: service %s: %w", s.ID(), n, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var ids []discovery.WorkloadID
	for _, i := range slices.Concat(found...) {
		if i.workload != nil {
			ids = append(ids, i.workload.ID)
		}
	}
	slices.SortFunc(ids, discovery.WorkloadID.Compare)
	return slices.Compact(ids), nil
}

// confirmNames reads from the leader which services there are, those of peers with them.
func (s *Source) confirmNames(ctx context.Context) ([]name, error) {
	listed, err := again(func() (listed catalog, err error) {
		_, err = s.client.get(ctx, request{path: watchID{kind: kindCatalog}.path(), consistency: confirmed}, func(a *answer, body []byte) error {
			if a.filtered {
				return errHidden
			}
			decoded, err := new(catalogDecoder).decode(body)
			listed, _ = decoded.(catalog)
			return err
		})
		return listed, err
	})
	return slices.Concat(listed, s.config.peerNames()), err
}

// again reads once more when the token was replaced meanwhile.
func again[T any](read func() (T, error)) (T, error) {
	value, err := read()
	if errors.Is(err, errReplaced) {
		return read()
	}
	return value, err
}
