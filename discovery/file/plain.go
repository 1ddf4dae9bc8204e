package file

import (
	"context"

	"outrigger.dev/outrigger/discovery"
)

// Plain returns the model part of the source alone, for those who know nothing of policies.
func (s *Source) Plain() discovery.Source { return plain{source: s} }

type plain struct {
	source *Source
}

// Run does what discovery.Source asks for.
func (p plain) Run(ctx context.Context, out chan<- discovery.Update) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	updates := make(chan Update)
	ended := make(chan error, 1)
	go func() { ended <- p.source.Run(ctx, updates) }()
	trouble := ""
	for {
		select {
		case err := <-ended:
			return err
		case update := <-updates:
			if modelEmpty(&update.Update) && !update.Synced && errorText(update.Trouble) == trouble {
				continue
			}
			trouble = errorText(update.Trouble)
			select {
			case err := <-ended:
				return err
			case out <- update.Update:
			}
		}
	}
}
