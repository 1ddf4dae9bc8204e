// Package certificate keeps the certificate, key and roots of a program without a proxy in files, as gRPC's
// file_watcher reads them. It asks the control plane for them as a proxy does: over delta discovery, with the
// workload's join token. The control plane pushes a new certificate when the last is due, and new roots when they
// change; the package reconnects for as long as it is to run.
//
// It may import certs, Envoy's API and gRPC. It never signs anything, and shows no key and no token.
package certificate

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/certs"
)

// Config says whose certificate is kept where.
type Config struct {
	// Servers are the addresses of the control plane's replicas, HOST:PORT each, one at least: when one cannot be
	// reached, or ends the stream, the next is turned to.
	Servers []string
	// Namespace, ServiceAccount and Workload are those of the token.
	Namespace, ServiceAccount, Workload string
	// Roots returns what the control plane is verified with, as PEM, and Token the join token. Both are called for
	// each attempt to connect.
	Roots func() ([]byte, error)
	Token func(context.Context) (certs.Token, error)
	// Dir is the folder to write.
	Dir string
	// Logger is told of every certificate and failure; it must be set.
	Logger *slog.Logger
}

const (
	minBackoff = time.Second
	maxBackoff = time.Minute
	// onceLimit bounds Once.
	onceLimit = 30 * time.Second
)

var errWritten = errors.New("written")

// Once writes a certificate and returns.
func Once(ctx context.Context, c Config) error {
	limited, cancel := context.WithTimeout(ctx, onceLimit)
	defer cancel()
	k := &keeper{Config: c, once: true}
	err := k.first(limited)
	if errors.Is(err, errWritten) {
		return nil
	}
	return err
}

// Keep writes a certificate, and each later one, until ctx ends, which is no error. It returns an error only when the first
// cannot be had; later failures are logged and tried again when the control plane says, else after about 1 s, doubled up to 1 min.
func Keep(ctx context.Context, c Config) error {
	k := &keeper{Config: c}
	err := k.first(ctx)
	backoff := minBackoff
	for ctx.Err() == nil {
		if !k.written() {
			return err
		}
		pause := pauseFor(backoff, err)
		c.Logger.WarnContext(ctx, "connection to the control plane ended", "error", err,
			"certificate_expires", k.expires, "retry", pause)
		if !wait(ctx, pause) {
			break
		}
		began := time.Now()
		err = k.follow(ctx)
		if backoff = min(2*backoff, maxBackoff); time.Since(began) > maxBackoff {
			backoff = minBackoff
		}
	}
	return nil
}

// pauseFor is how long to wait after an error: as long as the control plane says, which gives each client another time, else
// the backoff, at most halved by chance, so that those who lost a server together do not come back together.
func pauseFor(backoff time.Duration, err error) time.Duration {
	if st, ok := status.FromError(err); ok {
		for _, detail := range st.Details() {
			if hint, ok := detail.(*errdetails.RetryInfo); ok {
				return min(max(hint.GetRetryDelay().AsDuration(), minBackoff), maxBackoff)
			}
		}
	}
	return backoff - rand.N(backoff/2)
}

// wait sleeps and reports whether ctx is still alive.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
