package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// State is what etcd held at some time. The zero value is nothing: a new cluster's.
type State struct{ dir string }

// SaveState copies what etcd holds now, while everything goes on: etcd stands still for some tens of milliseconds.
func (k *Kube) SaveState(_ context.Context) (State, error) {
	dir, err := os.MkdirTemp(k.site.dir, "state-")
	if err != nil {
		return State{}, err
	}
	pid := k.etcd.PID()
	if err := freeze(pid); err != nil {
		return State{}, fmt.Errorf("stopping etcd: %w", err)
	}
	err = os.CopyFS(dir, os.DirFS(k.dataDir()))
	return State{dir: dir}, errors.Join(err, unix.Kill(pid, unix.SIGCONT))
}

// freeze stops a child process, and waits until all its threads stand still.
func freeze(pid int) error {
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return err
	}
	for {
		// Without taking its status: who waits for its end is another.
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// RestoreState ends all parts as a crash would, sets etcd back to a state, and
// starts them again with the address, the certificates and the keys that they
// had. Versions of objects go back as well. It waits until the API server is ready.
func (k *Kube) RestoreState(ctx context.Context, s State) error {
	if err := k.replaceState(s); err != nil {
		return err
	}
	if err := k.StartEtcd(ctx); err != nil {
		return err
	}
	if err := k.StartAPIServer(ctx); err != nil {
		return err
	}
	return k.StartControllers(ctx)
}

func (k *Kube) replaceState(s State) error {
	// The controllers too, as the manuals say: they would wait for versions that do not exist any more.
	k.KillControllers()
	k.KillAPIServer()
	k.KillEtcd()
	if err := os.RemoveAll(k.dataDir()); err != nil {
		return err
	}
	if s.dir == "" {
		return nil
	}
	return os.CopyFS(k.dataDir(), os.DirFS(s.dir))
}
