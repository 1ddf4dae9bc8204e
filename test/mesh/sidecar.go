package mesh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/test/process"
)

// SidecarConfig says whose sidecar is meant.
type SidecarConfig struct {
	Namespace, Workload, ServiceAccount string
	// Server is where the sidecar finds the control plane. Empty: where it listens.
	Server string
	// TokenFile holds the token that it shows, such as a pod's. Empty: the control plane makes it one.
	TokenFile string
	// TokenTTL is the life of a token that is made. Zero: an hour.
	TokenTTL time.Duration
	// Stolen is the workload whose token it shows; the service account has the
	// same name. Empty: it shows its own.
	Stolen string
	// Bootstrap are further arguments of `outrigger bootstrap`.
	Bootstrap []string
	// Place is where the Envoy runs, and as whom. Its user owns the folder.
	Place process.Place
}

// Sidecar is a running Envoy of a workload.
type Sidecar struct {
	*envoy.Proxy
	// Dir is the folder that it was started from; its logs are there too.
	Dir string
	// Name is "<namespace>/<workload>".
	Name string
}

// sidecars remembers what has to be stopped.
type sidecars struct {
	mu   sync.Mutex
	list []*Sidecar
}

func (s *sidecars) add(sidecar *Sidecar) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, sidecar)
}

// stop ends all of them at once; to stop a proxy twice does no harm.
func (s *sidecars) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := make([]error, len(s.list))
	var all sync.WaitGroup
	for i, sidecar := range s.list {
		all.Go(func() { errs[i] = sidecar.Stop() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Sidecar writes a sidecar's folder with the outrigger command, and starts an
// Envoy from it. It does not wait until the Envoy is ready: WaitReady does.
func (m *Mesh) Sidecar(ctx context.Context, cfg SidecarConfig) (*Sidecar, error) {
	dir, err := m.Bootstrap(ctx, cfg)
	if err != nil {
		return nil, err
	}
	proxy, err := envoy.Start(ctx, envoy.Config{Dir: dir, Place: cfg.Place})
	if err != nil {
		return nil, err
	}
	sidecar := &Sidecar{Proxy: proxy, Dir: dir, Name: cfg.Namespace + "/" + cfg.Workload}
	m.sidecars.add(sidecar)
	return sidecar, nil
}

// Ready is Sidecar, and waits until the Envoy has its first configuration.
func (m *Mesh) Ready(ctx context.Context, cfg SidecarConfig) (*Sidecar, error) {
	sidecar, err := m.Sidecar(ctx, cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := sidecar.WaitReady(ctx); err != nil {
		return nil, fmt.Errorf("sidecar of %s: %w", sidecar.Name, err)
	}
	return sidecar, nil
}

// Bootstrap writes a sidecar's folder, token included, and returns its path.
func (m *Mesh) Bootstrap(ctx context.Context, cfg SidecarConfig) (string, error) {
	if cfg.Server == "" {
		cfg.Server = m.cfg.XDS
	}
	dir := filepath.Join(m.cfg.Dir, cfg.Workload)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	who := []string{"--namespace", cfg.Namespace, "--workload", cfg.Workload, "--service-account", cfg.ServiceAccount}
	args := append([]string{"bootstrap", "--out", dir, "--server", cfg.Server, "--data-dir", m.DataDir()}, who...)
	if cfg.TokenFile != "" {
		args = append(args, "--token-file", cfg.TokenFile)
	}
	if _, err := m.Outrigger(ctx, append(args, cfg.Bootstrap...)...); err != nil {
		return "", err
	}
	if cfg.TokenFile == "" {
		if err := m.Token(ctx, cfg); err != nil {
			return "", err
		}
	}
	return dir, give(dir, int(cfg.Place.User))
}

// give makes a user the owner of a folder and what is in it. 0: they stay the caller's.
func give(dir string, user int) error {
	if user == 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
}

// Token writes a new join token into the folder of a sidecar.
func (m *Mesh) Token(ctx context.Context, cfg SidecarConfig) error {
	file, ttl := filepath.Join(m.cfg.Dir, cfg.Workload, "token"), cfg.TokenTTL
	if cfg.Stolen != "" {
		cfg.Workload, cfg.ServiceAccount = cfg.Stolen, cfg.Stolen
	}
	if ttl == 0 {
		ttl = time.Hour
	}
	_, err := m.Outrigger(ctx, "token", "--data-dir", m.DataDir(), "--namespace", cfg.Namespace,
		"--service-account", cfg.ServiceAccount, "--workload", cfg.Workload, "--ttl", ttl.String(), "--out", file)
	if err != nil {
		return err
	}
	return give(file, int(cfg.Place.User))
}
