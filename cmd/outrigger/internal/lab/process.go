//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"outrigger.dev/outrigger/deploy/podnet"
)

// stopGrace is how long a program may take to end.
const stopGrace = 10 * time.Second

// self is this program, whatever user starts it and wherever it lies.
const self = "/proc/self/exe"

// process is a program that runs for as long as the lab.
type process struct {
	name string
	pod  *podnet.Pod
	// user is the id of its user and group. 0: root.
	user uint32
	log  string
	// path is the program, args are its arguments without its name.
	path string
	args []string
}

// run runs the process until ctx ends. That it ends earlier is an error.
func (p process) run(ctx context.Context) error {
	log, err := p.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := command(ctx, p.path, p.args)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	// The signals of a terminal are for the lab, which ends its processes itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.user != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: p.user, Gid: p.user}
	}
	err = p.pod.Run(cmd)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s ended: %w; its log is %s", p.name, err, p.log)
}

// openLog makes the log, for the user of the process, who may open it again by the name /dev/stdout.
func (p process) openLog() (*os.File, error) {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	if err := log.Chown(int(p.user), int(p.user)); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// command names this program as its users do, and not by how it is found.
func command(ctx context.Context, path string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	if path == self {
		cmd.Args[0] = "outrigger"
	}
	return cmd
}

// outrigger runs a command of this binary until its end.
func outrigger(ctx context.Context, args ...string) error {
	out, err := command(ctx, self, args).CombinedOutput()
	if err != nil {
		return fmt.Errorf("outrigger %s: %w: %s", args[0], err, out)
	}
	return nil
}
