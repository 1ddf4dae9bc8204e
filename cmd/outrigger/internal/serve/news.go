package serve

import (
	"context"

	"golang.org/x/sync/errgroup"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/policy/compile"
)

// news is what one source says at a time: model, policies, or both.
type news struct {
	discovery.Update
	policies compile.Objects
	// files are the problems of files, by name.
	files map[string][]discovery.Problem
	// revision names the state that the source is in; empty: as before.
	revision string
}

func newsOfFolder(u file.Update) news {
	return news{Update: u.Update, policies: compile.Objects(u.Policies), files: u.Files, revision: u.Revision}
}

func newsOfRegistry(u discovery.Update) news { return news{Update: u} }

// newsOfPolicies carries policies under an id of their own: the model of the same cluster is another source.
func newsOfPolicies(u compile.Update) news {
	return news{
		Update:   discovery.Update{Source: policiesOf(u.Source), Synced: u.Synced, Trouble: u.Trouble, Problems: u.Problems, ReadAt: u.ReadAt},
		policies: u.Objects,
	}
}

// kindPolicies is that of the policies of a cluster.
const kindPolicies = "policies"

func policiesOf(cluster discovery.SourceID) discovery.SourceID {
	return discovery.SourceID{Kind: kindPolicies, Name: cluster.Name}
}

// relay runs a source and hands on what it says, until ctx ends or the source does.
func relay[U any](ctx context.Context, run func(context.Context, chan<- U) error, spell func(U) news, to chan<- news) error {
	group, ctx := errgroup.WithContext(ctx)
	updates := make(chan U)
	group.Go(func() error { return run(ctx, updates) })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case update := <-updates:
				select {
				case <-ctx.Done():
					return ctx.Err()
				case to <- spell(update):
				}
			}
		}
	})
	return group.Wait()
}
