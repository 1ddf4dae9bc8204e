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

// ConfirmServices lists the services a second time, as Confirm reads one, sorted. Names that are no services of the mesh yet, such
// as those of peers and of Consul's own proxies, are read as well, and left out when they have no instance that is a program's own.
func (s *Source) ConfirmServices(ctx context.Context) ([]discovery.ServiceID, error) {
	names, err := s.confirmNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("confirm all services: %s: %w", s.ID(), err)
	}
	labels, _ := assign(names)
	ids, unknown := make([]discovery.ServiceID, 0, len(names)), make([]name, 0, len(names))
	for _, n := range names {
		if id := s.idOf(labels[n]); s.knows(id, n) {
			ids = append(ids, id)
		} else {
			unknown = append(unknown, n)
		}
	}
	found, err := s.confirmEach(ctx, unknown)
	if err != nil {
		return nil, fmt.Errorf("confirm all services: %s: %w", s.ID(), err)
	}
	for i, n := range unknown {
		if len(found[i]) > 0 {
			ids = append(ids, s.idOf(labels[n]))
		}
	}
	slices.SortFunc(ids, discovery.ServiceID.Compare)
	return ids, nil
}

func (s *Source) idOf(label string) discovery.ServiceID {
	return discovery.ServiceID{Namespace: s.config.MeshNamespace, Name: label}
}

// knows reports whether a name is a service of the mesh, by that id.
func (s *Source) knows(id discovery.ServiceID, n name) bool {
	known, watched := (*s.registrations.Load())[id]
	return watched && known.name == n && known.known.Load()
}

// ConfirmWorkloads lists the instances of all services a second time, as Confirm reads those of one, sorted. It makes a request
// for each service, a few at a time.
func (s *Source) ConfirmWorkloads(ctx context.Context) ([]discovery.WorkloadID, error) {
	names, err := s.confirmNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("confirm all instances: %s: %w", s.ID(), err)
	}
	found, err := s.confirmEach(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("confirm all instances: %s: %w", s.ID(), err)
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

// confirmEach reads the instances of services, a few at a time: half of the room is left to the watches.
func (s *Source) confirmEach(ctx context.Context, names []name) ([]instances, error) {
	found := make([]instances, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(s.config.MaxInFlight/2, 1))
	for i, n := range names {
		group.Go(func() (err error) {
			if found[i], err = s.confirm(ctx, n); err != nil {
				return fmt.Errorf("service %s: %w", n, err)
			}
			return nil
		})
	}
	return found, group.Wait()
}

// confirmNames reads from the leader which services there are, those of peers with them.
func (s *Source) confirmNames(ctx context.Context) ([]name, error) {
	listed, err := again(func() (listed catalog, err error) {
		err = s.reread(ctx, request{path: watchID{kind: kindCatalog}.path()}, func(body []byte) error {
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
