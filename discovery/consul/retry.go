package consul

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// minBackoff and maxBackoff bound the wait after an error.
const minBackoff, maxBackoff = 100 * time.Millisecond, 10 * time.Second

// fail tells an error and waits. What waits is woken when the token is replaced or the catalog is well again.
func (w *watch) fail(ctx context.Context, err error, ring <-chan struct{}) error {
	if err := w.failed(ctx, err); err != nil {
		return err
	}
	replaced := make(chan struct{})
	if access, err := w.client.accesses.get(); err == nil {
		defer access.replaced.add(func() { close(replaced) })()
	}
	timer := time.NewTimer(w.backoff(err))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-ring:
	case <-replaced:
	case <-timer.C:
	}
	return nil
}

// failed tells an error.
func (w *watch) failed(ctx context.Context, err error) error {
	w.cursor.retry()
	w.troubled = true
	w.stats.failed(err)
	return w.send(ctx, news{from: w, err: err})
}

// backoff doubles from minBackoff, with half of it by chance, and waits as long as the server asks.
func (w *watch) backoff(err error) time.Duration {
	limit := maxBackoff
	if w.id.kind != kindHealth || reasonOf(err) == reasonToken {
		limit = w.config.Recheck
	}
	wait := min(minBackoff<<min(w.failures, 10), limit)
	w.failures++
	wait = wait/2 + time.Duration(w.random.Int64N(int64(wait)))
	if status, ok := errors.AsType[*statusError](err); ok && (status.code == http.StatusTooManyRequests || status.code == http.StatusServiceUnavailable) {
		wait = max(wait, status.after)
	}
	return wait
}
