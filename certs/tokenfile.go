package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// WriteToken puts a token into a file of mode 0600 in one step: a temporary
// file is moved over it, which is what a proxy that watches the folder waits
// for. The folder must exist. The file holds the token alone, without a
// newline, as a proxy sends it byte for byte.
func WriteToken(path string, token Token) error {
	if token.IsZero() || token.Reveal() == "" {
		return fmt.Errorf("token file %s: there is no token to write", path)
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("token file %s: something else than a file is there; name another path", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("token file: %w", err)
	}
	if err := replaceFile(path, []byte(token.Reveal()), 0o600); err != nil {
		return fmt.Errorf("token file %s: %w", path, err)
	}
	return nil
}

const (
	// renewPoll bounds how long a renewer sleeps, so that it notices a clock
	// that was set or a machine that slept.
	renewPoll = 30 * time.Second

	minBackoff = time.Second
	maxBackoff = time.Minute
)

// Renewer keeps a token file fresh.
type Renewer struct {
	// Signer makes the tokens.
	Signer *TokenSigner
	// Request says whom for, and for how long each.
	Request TokenRequest
	// Path is the file; its folder must exist.
	Path string
	// Logger is told of every token and failure; it must be set.
	Logger *slog.Logger
}

// Renew writes a token at once, and a new one whenever half of the life of the
// last has passed, until ctx ends, which is no error. It returns an error only
// when the first token cannot be made or written; later failures are logged
// and tried again after 1 s, doubled up to 1 min.
func (r *Renewer) Renew(ctx context.Context) error {
	if err := sweepLeftovers(filepath.Dir(r.Path), r.Signer.config.Clock()); err != nil {
		r.Logger.WarnContext(ctx, "remove leftovers", "file", r.Path, "error", err)
	}
	claims, err := r.write(ctx)
	if err != nil {
		return err
	}
	backoff := minBackoff
	for wait(ctx, r.pause(claims)) {
		if !tokenDue(claims, r.Signer.config.Clock()) {
			continue
		}
		next, err := r.write(ctx)
		if err == nil {
			claims, backoff = next, minBackoff
			continue
		}
		r.Logger.ErrorContext(ctx, "renew join token", "file", r.Path, "error", err,
			"expires", claims.ExpiresAt, "retry", backoff)
		if !wait(ctx, backoff) {
			break
		}
		backoff = min(2*backoff, maxBackoff)
	}
	return nil
}

func (r *Renewer) write(ctx context.Context) (Claims, error) {
	token, claims, err := r.Signer.Sign(ctx, r.Request)
	if err != nil {
		return Claims{}, err
	}
	if err := WriteToken(r.Path, token); err != nil {
		return Claims{}, err
	}
	r.Logger.InfoContext(ctx, "wrote join token", "file", r.Path, "workload", claims.Workload,
		"identity", claims.Identity.String(), "id", claims.ID, "expires", claims.ExpiresAt)
	return claims, nil
}

// pause is how long to sleep before the next look at the clock.
func (r *Renewer) pause(claims Claims) time.Duration {
	return min(tokenRenewAt(claims).Sub(r.Signer.config.Clock()), renewPoll)
}

// tokenRenewAt is half way through the life of a token.
func tokenRenewAt(claims Claims) time.Time {
	return claims.IssuedAt.Add(claims.ExpiresAt.Sub(claims.IssuedAt) / 2)
}

func tokenDue(claims Claims, now time.Time) bool { return !now.Before(tokenRenewAt(claims)) }

// wait sleeps and reports whether ctx is still alive.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(max(pause, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
