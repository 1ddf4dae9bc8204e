package kube

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// campaign waits for the Lease, leads as long as it is held, and gives it back when ctx ends: after the last write, so that
// two replicas never write at once.
func (w *Writer) campaign(ctx context.Context) error {
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	turn := make(chan context.Context)
	elector, err := w.elector(turn)
	if err != nil {
		return err
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		elector.Run(logr.NewContext(held, logr.FromSlogHandler(quiet{w.config.Logger.Handler()})))
	}()
	for {
		select {
		case <-ctx.Done():
			release()
			<-over
			return ctx.Err()
		case <-over:
			return nil
		case term := <-turn:
			w.lead(ctx, term)
		}
	}
}

// elector returns a candidate that gives its terms to turn.
func (w *Writer) elector(turn chan<- context.Context) (*leaderelection.LeaderElector, error) {
	c := w.config
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: c.LeaseNamespace, Name: c.LeaseName},
			Client:     w.leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.Identity},
		},
		LeaseDuration: c.LeaseDuration, RenewDeadline: c.LeaseDuration * 2 / 3, RetryPeriod: c.LeaseDuration * 2 / 15,
		ReleaseOnCancel: true, Name: c.LeaseName,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				select {
				case turn <- term:
				case <-term.Done():
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("lease %s/%s: %w", c.LeaseNamespace, c.LeaseName, err)
	}
	return elector, nil
}

// lead writes until ctx or the term ends.
func (w *Writer) lead(ctx, term context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(term, cancel)()
	w.leading.Store(true)
	defer w.leading.Store(false)
	w.config.Logger.Info("this replica writes the status of objects", "lease", w.config.LeaseNamespace+"/"+w.config.LeaseName)
	newTerm(w).run(ctx)
	w.config.Logger.Info("this replica writes no status any more")
}

// quiet is a handler for what the election says of every attempt: it is for those who look for a fault.
type quiet struct{ slog.Handler }

// Enabled answers as for debugging.
func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle logs as for debugging. Errors come here without a question before.
func (q quiet) Handle(ctx context.Context, record slog.Record) error {
	if !q.Enabled(ctx, record.Level) {
		return nil
	}
	record.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, record)
}

// WithAttrs keeps the level.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup keeps the level.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
