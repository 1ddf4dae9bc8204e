package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"outrigger.dev/outrigger/test/process"
)

// Config says what New prepares.
type Config struct {
	// Binary is the outrigger binary.
	Binary string
	// Dir is an existing folder for everything that the mesh writes. Its path
	// should be short: a Unix socket's path has 107 bytes at most.
	Dir string
	// XDS and Metrics are the addresses at which the control plane listens.
	XDS, Metrics string
	// TrustDomain is the mesh's. Empty: cluster.local.
	TrustDomain string
	// IdentityTTL is the life of leaves. Zero: the control plane's default.
	IdentityTTL time.Duration
	// Sources are the flags that say what the mesh is read from. Empty: the folder of YAML.
	Sources []string
	// Place is where the control plane runs, and Dial connects to its metrics there. Zero: where the caller is.
	Place process.Place
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

// Mesh is a control plane with its folders. Its methods may be called from
// several goroutines, except for those that start and end the control plane.
type Mesh struct {
	cfg      Config
	server   *process.Process
	sidecars sidecars
}

// New makes the folders of a mesh; nothing runs yet. Close must be called in the end.
func New(cfg Config) (*Mesh, error) {
	if cfg.TrustDomain == "" {
		cfg.TrustDomain = "cluster.local"
	}
	m := &Mesh{cfg: cfg}
	if err := os.Mkdir(m.ConfigDir(), 0o700); err != nil {
		return nil, fmt.Errorf("the mesh's folder: %w", err)
	}
	return m, nil
}

// ConfigDir is the folder of YAML.
func (m *Mesh) ConfigDir() string { return filepath.Join(m.cfg.Dir, "mesh") }

// DataDir is the control plane's data folder.
func (m *Mesh) DataDir() string { return filepath.Join(m.cfg.Dir, "data") }

// Dir is the folder for everything.
func (m *Mesh) Dir() string { return m.cfg.Dir }

// XDS is the address at which the control plane listens for proxies.
func (m *Mesh) XDS() string { return m.cfg.XDS }

// Write puts a file into the folder of YAML, in one step, as an editor that
// saves well does.
func (m *Mesh) Write(name, text string) error {
	temp := filepath.Join(m.cfg.Dir, "new-"+name)
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(m.ConfigDir(), name))
}

// Remove deletes a file from the folder of YAML.
func (m *Mesh) Remove(name string) error { return os.Remove(filepath.Join(m.ConfigDir(), name)) }

// StartServer starts the control plane and waits until it is ready.
func (m *Mesh) StartServer(ctx context.Context) error {
	if err := m.LaunchServer(ctx); err != nil {
		return err
	}
	return m.waitReady(ctx)
}

// LaunchServer starts the control plane and does not wait for anything.
func (m *Mesh) LaunchServer(ctx context.Context) error {
	server, err := process.Start(ctx, process.Config{
		Path: m.cfg.Binary, Args: m.serverArgs(), Log: m.serverLog(), Place: m.cfg.Place,
	})
	if err != nil {
		return err
	}
	m.server = server
	return nil
}

func (m *Mesh) serverArgs() []string {
	sources := m.cfg.Sources
	if len(sources) == 0 {
		sources = []string{"--config-dir", m.ConfigDir()}
	}
	args := append([]string{
		"server", "--data-dir", m.DataDir(), "--xds-listen", m.cfg.XDS,
		"--metrics-listen", m.cfg.Metrics, "--trust-domain", m.cfg.TrustDomain, "--log-format", "json",
	}, sources...)
	if m.cfg.IdentityTTL != 0 {
		args = append(args, "--identity-ttl", m.cfg.IdentityTTL.String())
	}
	return args
}

func (m *Mesh) serverLog() string { return filepath.Join(m.cfg.Dir, "outrigger.log") }

func (m *Mesh) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	err := Eventually(ctx, "the control plane is ready", func(ctx context.Context) error {
		select {
		case <-m.server.Exited():
			return fmt.Errorf("%w: it ended: %s", errGone, m.server.Logs())
		default:
		}
		return m.ServerReady(ctx)
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, m.server.Logs())
	}
	return nil
}

// ServerReady asks the control plane whether it is ready; the error says why it is not, or that it does not answer.
func (m *Mesh) ServerReady(ctx context.Context) error {
	_, err := m.get(ctx, "/readyz")
	return err
}

// SetIdentityTTL sets the life of leaves for the next start of the control plane.
func (m *Mesh) SetIdentityTTL(ttl time.Duration) { m.cfg.IdentityTTL = ttl }

// StopServer ends the control plane as an operator does, and says whether it ended well.
func (m *Mesh) StopServer() error { return m.server.Stop() }

// KillServer ends the control plane as a crash would.
func (m *Mesh) KillServer() { m.server.Kill() }

// ServerPID is the process id of the control plane.
func (m *Mesh) ServerPID() int { return m.server.PID() }

// ServerLogs is what the control plane has said, one JSON object a line, over all of its runs.
func (m *Mesh) ServerLogs() string {
	text, err := os.ReadFile(m.serverLog())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Close ends the sidecars, then the control plane, each by its pid.
func (m *Mesh) Close() error {
	err := m.sidecars.stop()
	if m.server != nil {
		err = errors.Join(err, m.server.Stop())
	}
	return err
}

// CheckFree returns an error that names the first of the addresses, host:port,
// at which something listens already.
func CheckFree(ctx context.Context, addresses ...string) error {
	for _, address := range addresses {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("%s is needed and not free: %w", address, err)
		}
		listener.Close()
	}
	return nil
}
