package consul

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// maxTokenSize is more than any token has.
const maxTokenSize = 8 << 10

// access is the token and the connections that requests use. When a file changes another one takes its place.
type access struct {
	token     token
	transport *http.Transport
	// replaced fires once there is another access. Its calls must not block.
	replaced hooks
}

// accesses keeps the access that is valid now, and reads the files again when they change.
type accesses struct {
	tokenFile, caFile string
	connections       *connections
	logger            *slog.Logger
	// tokenText and caText are what was read last; the goroutine of watch owns them.
	tokenText, caText []byte
	current           atomic.Pointer[access]
	// err is why the files could not be read the last time.
	err atomic.Pointer[error]
}

func newAccesses(config *Config, connections *connections) *accesses {
	a := &accesses{
		tokenFile: config.TokenFile, caFile: config.CAFile, logger: config.Logger,
		connections: connections,
	}
	a.refresh()
	return a
}

// get returns the access, or why there is none.
func (a *accesses) get() (*access, error) {
	if now := a.current.Load(); now != nil {
		return now, nil
	}
	return nil, trouble(reasonToken, *a.err.Load())
}

// watch looks at the files until ctx ends.
func (a *accesses) watch(ctx context.Context, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			a.refresh()
		}
	}
}

// close closes all connections.
func (a *accesses) close() {
	if now := a.current.Load(); now != nil {
		now.transport.CloseIdleConnections()
	}
	a.connections.Close()
}

// refresh reads the files. What cannot be read or understood leaves things as they are.
func (a *accesses) refresh() {
	tokenText, roots, caText, err := a.read()
	if err != nil {
		if before := a.err.Swap(&err); before == nil || (*before).Error() != err.Error() {
			a.logger.Warn("cannot read access to consul, what was read before stays in use", "error", err)
		}
		return
	}
	a.err.Store(nil)
	before := a.current.Load()
	if before != nil && bytes.Equal(tokenText, a.tokenText) && bytes.Equal(caText, a.caText) {
		return
	}
	next := &access{token: newToken(string(tokenText))}
	if before != nil && bytes.Equal(caText, a.caText) {
		next.transport = before.transport
	} else {
		next.transport = a.connections.transport(roots)
	}
	a.tokenText, a.caText = tokenText, caText
	a.current.Store(next)
	if before != nil {
		a.logger.Info("access to consul changed, open queries move to it", "token_file", a.tokenFile, "ca_file", a.caFile)
		before.replaced.fire()
		if before.transport != next.transport {
			before.transport.CloseIdleConnections()
		}
	}
}

func (a *accesses) read() (tokenText []byte, roots *x509.CertPool, caText []byte, err error) {
	if a.tokenFile != "" {
		if tokenText, err = os.ReadFile(a.tokenFile); err != nil {
			return nil, nil, nil, fmt.Errorf("token file: %w", err)
		}
		if tokenText = bytes.TrimSpace(tokenText); !isToken(tokenText) {
			return nil, nil, nil, fmt.Errorf("token file %s: does not hold one token and nothing else", a.tokenFile)
		}
	}
	if a.caFile != "" {
		if caText, err = os.ReadFile(a.caFile); err != nil {
			return nil, nil, nil, fmt.Errorf("ca file: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(caText) {
			return nil, nil, nil, fmt.Errorf("ca file %s: holds no certificate as PEM", a.caFile)
		}
	}
	return tokenText, roots, caText, nil
}

// isToken reports whether a text can stand in a header and is not empty.
func isToken(text []byte) bool {
	printable := func(c byte) bool { return c > ' ' && c < 0x7f }
	for _, c := range text {
		if !printable(c) {
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxTokenSize
}
