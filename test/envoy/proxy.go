package envoy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
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
}

// Proxy is a running Envoy. Its methods may be called from several goroutines.
type Proxy struct {
	cfg    Config
	cmd    *exec.Cmd
	admin  *http.Client
	cancel context.CancelFunc
	exited chan struct{} // closed after err is set
	err    error         // how the process ended
}

// Start runs an Envoy until Stop, Kill or the end of ctx, whichever comes
// first; one of the two methods must be called to release what the proxy
// holds. Start does not wait until Envoy is ready: WaitReady does.
func Start(ctx context.Context, cfg Config) (*Proxy, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Proxy{cfg: cfg, cancel: cancel, admin: adminClient(cfg.AdminSocket), exited: make(chan struct{})}
	p.cmd = command(ctx, cfg)
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		cancel()
		<-p.exited
		return nil, fmt.Errorf("starting an Envoy in %s: %w", cfg.Dir, err)
	}
	return p, nil
}

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

// command returns the Envoy of cfg; the end of ctx ends it gently, then by
// force.
func command(ctx context.Context, cfg Config) *exec.Cmd {
	args := []string{
		"--config-path", bootstrapFile, "--disable-hot-restart",
		"--concurrency", strconv.Itoa(cfg.Concurrency), "--log-level", cfg.LogLevel,
	}
	if cfg.Node != "" {
		args = append(args, "--service-node", cfg.Node)
	}
	if cfg.Cluster != "" {
		args = append(args, "--service-cluster", cfg.Cluster)
	}
	cmd := exec.CommandContext(ctx, cfg.Binary, args...)
	cmd.Dir = cfg.Dir
	cmd.SysProcAttr = dieWithParent()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// run starts the process, reports that on started, and waits for its end. It
// keeps its thread for so long: the process would die with it.
func (p *Proxy) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	if err := p.launch(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
}

// launch starts the process with its output going to new log files.
func (p *Proxy) launch() error {
	said, err := os.Create(filepath.Join(p.cfg.Dir, logFile))
	if err != nil {
		return err
	}
	defer said.Close()
	access, err := os.Create(filepath.Join(p.cfg.Dir, accessFile))
	if err != nil {
		return err
	}
	defer access.Close()
	p.cmd.Stderr, p.cmd.Stdout = said, access
	return p.cmd.Start()
}

// PID is the process id.
func (p *Proxy) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Proxy) Exited() <-chan struct{} { return p.exited }

// Stop ends the proxy with SIGTERM, after 10 s with SIGKILL, and waits for its
// end. The error says that the process ended in another way, for example that
// it had crashed before.
func (p *Proxy) Stop() error {
	p.cancel()
	<-p.exited
	p.admin.CloseIdleConnections()
	// A process that ended well because its context did has the context's error.
	if p.err == nil || errors.Is(p.err, context.Canceled) || errors.Is(p.err, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("envoy in %s ended badly: %w: %s", p.cfg.Dir, p.err, p.Logs())
}

// Kill ends the proxy with SIGKILL, as a crash would, and waits for its end.
func (p *Proxy) Kill() {
	// The only error is that the process has ended.
	_ = p.cmd.Process.Kill()
	<-p.exited
	p.cancel()
	p.admin.CloseIdleConnections()
}

// Logs is what Envoy has said so far, or why that cannot be read.
func (p *Proxy) Logs() string { return p.read(logFile) }

// AccessLog is what Envoy has written to its standard output so far, or why
// that cannot be read. Envoy writes it with a delay of up to 10 s.
func (p *Proxy) AccessLog() string { return p.read(accessFile) }

func (p *Proxy) read(name string) string {
	text, err := os.ReadFile(filepath.Join(p.cfg.Dir, name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
