package envoy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"outrigger.dev/outrigger/test/process"
)

const (
	bootstrapFile = "bootstrap.yaml"
	logFile       = "envoy.log"
	accessFile    = "access.log"
	adminFile     = "admin.sock"

	// stopGrace is how long an Envoy may take to end on SIGTERM.
	stopGrace = 10 * time.Second
)

// Config says what Start runs.
type Config struct {
	// Dir holds bootstrap.yaml and is the working directory of Envoy. Its logs
	// are written there: envoy.log (what Envoy says) and access.log (its
	// standard output).
	Dir string
	// Node and Cluster are the node's id and cluster where the bootstrap names
	// none; what it names wins.
	Node, Cluster string
	// AdminSocket is the Unix socket on which the bootstrap has its admin
	// interface. Empty: admin.sock in Dir.
	AdminSocket string
	// LogLevel is Envoy's. Empty: warning.
	LogLevel string
	// Concurrency is the number of worker threads. Zero: 1.
	Concurrency int
	// Binary is the Envoy to run. Empty: what Binary returns.
	Binary string
	// Place is where it runs, and as whom.
	Place process.Place
}

// Proxy is a running Envoy. Its methods may be called from several goroutines.
type Proxy struct {
	cfg     Config
	process *process.Process
	admin   *http.Client
}

// Start runs an Envoy until Stop, Kill or the end of ctx, whichever comes
// first; one of the two methods must be called to release what the proxy
// holds. Start does not wait until Envoy is ready: WaitReady does.
func Start(ctx context.Context, cfg Config) (*Proxy, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg, admin: adminClient(cfg.AdminSocket)}
	if err := p.forget(); err != nil {
		return nil, fmt.Errorf("starting an Envoy in %s: %w", cfg.Dir, err)
	}
	p.process, err = process.Start(ctx, process.Config{
		Path: cfg.Binary, Args: cfg.args(), Dir: cfg.Dir,
		Log: p.path(logFile), Output: p.path(accessFile), Grace: stopGrace, Place: cfg.Place,
	})
	if err != nil {
		return nil, fmt.Errorf("starting an Envoy in %s: %w", cfg.Dir, err)
	}
	return p, nil
}

// forget removes the logs of an earlier Envoy in the same folder.
func (p *Proxy) forget() error {
	for _, name := range []string{logFile, accessFile} {
		if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (p *Proxy) path(name string) string { return filepath.Join(p.cfg.Dir, name) }

// withDefaults returns cfg with every field set.
func (c Config) withDefaults() (Config, error) {
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return c, err
	}
	if c.Binary == "" {
		if c.Binary, err = Binary(); err != nil {
			return c, err
		}
	}
	if c.AdminSocket == "" {
		c.AdminSocket = filepath.Join(c.Dir, adminFile)
	}
	if c.LogLevel == "" {
		c.LogLevel = "warning"
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1
	}
	return c, nil
}

// args are the arguments of the Envoy of c.
func (c Config) args() []string {
	args := []string{
		"--config-path", bootstrapFile, "--disable-hot-restart",
		"--concurrency", strconv.Itoa(c.Concurrency), "--log-level", c.LogLevel,
	}
	if c.Node != "" {
		args = append(args, "--service-node", c.Node)
	}
	if c.Cluster != "" {
		args = append(args, "--service-cluster", c.Cluster)
	}
	return args
}

// PID is the process id.
func (p *Proxy) PID() int { return p.process.PID() }

// Exited is closed when the process has ended.
func (p *Proxy) Exited() <-chan struct{} { return p.process.Exited() }

// Stop ends the proxy with SIGTERM, after 10 s with SIGKILL, and waits for its
// end. The error says that the process ended in another way, for example that
// it had crashed before.
func (p *Proxy) Stop() error {
	defer p.admin.CloseIdleConnections()
	return p.process.Stop()
}

// Kill ends the proxy with SIGKILL, as a crash would, and waits for its end.
func (p *Proxy) Kill() {
	p.process.Kill()
	p.admin.CloseIdleConnections()
}

// Logs is what Envoy has said so far, or why that cannot be read.
func (p *Proxy) Logs() string { return p.read(logFile) }

// AccessLog is what Envoy has written to its standard output so far, or why
// that cannot be read. Envoy writes it with a delay of up to 10 s.
func (p *Proxy) AccessLog() string { return p.read(accessFile) }

func (p *Proxy) read(name string) string {
	text, err := os.ReadFile(p.path(name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
