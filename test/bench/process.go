package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	logs string
	exit chan error // how it ended; closed behind that
}

// restart kills the process, as a crash would, and runs the same command again.
func (p *process) restart(ctx context.Context) error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill pid %d: %w", p.cmd.Process.Pid, err)
	}
	if _, killed := errors.AsType[*exec.ExitError](<-p.exit); !killed {
		return fmt.Errorf("%s ended by itself; its log is %s", p.cmd.Path, p.logs)
	}
	return p.again(ctx)
}

// again runs the same command once more after it has ended.
func (p *process) again(ctx context.Context) error {
	again, err := start(ctx, p.logs+".2", p.cmd.Path, p.cmd.Args[1:]...)
	if err != nil {
		return err
	}
	*p = *again
	return nil
}

// start runs a command with its output in a file.
func start(ctx context.Context, logs, program string, args ...string) (*process, error) {
	out, err := os.Create(filepath.Clean(logs))
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", program, err)
	}
	defer func() { _ = out.Close() }()
	// An interrupt must not kill the process: stop ends it in its own way.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	p := &process{cmd: cmd, logs: logs, exit: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() { p.exit <- p.cmd.Wait(); close(p.exit) }()
	return p, nil
}

// stop ends the process and waits for it.
func (p *process) stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end pid %d: %w", p.cmd.Process.Pid, err)
	}
	select {
	case err := <-p.exit:
		if _, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil // It was asked to end; how it says so is its own matter.
		}
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.cmd.Process.Kill(), <-p.exit)
	}
}

// cpu returns the time that the process has run; the error says where its log is.
func (p *process) cpu() (time.Duration, error) {
	used, err := cpuOf(p.cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("%w; its log is %s", err, p.logs)
	}
	return used, nil
}

// spent returns the CPU that the process used while do ran.
func (p *process) spent(do func() error) (time.Duration, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := p.cpu()
	return after - before, err
}

// cpuOf returns the time that all threads of a process have run, from the kernel's accounting in ns.
func cpuOf(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("cpu of pid %d: no schedstat", pid)
	}
	var total time.Duration
	for _, file := range files {
		data, err := os.ReadFile(filepath.Clean(file))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // a thread that ended; the runtime keeps its threads, so that this is rare
		}
		if err != nil {
			return 0, fmt.Errorf("cpu of pid %d: %w", pid, err)
		}
		ran, err := parseSchedstat(string(data))
		if err != nil {
			return 0, fmt.Errorf("cpu of pid %d: %w", pid, err)
		}
		total += ran
	}
	return total, nil
}

// parseSchedstat returns how long a thread has run: the first of three figures, before how long it waited to run.
func parseSchedstat(text string) (time.Duration, error) {
	first, _, _ := strings.Cut(text, " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	return time.Duration(ns), err
}

// memory returns the resident anonymous memory of the process, in bytes.
func (p *process) memory() (int64, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of pid %d: %w", p.cmd.Process.Pid, err)
	}
	defer func() { _ = file.Close() }()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if rest, ok := strings.CutPrefix(scanner.Text(), "RssAnon:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("memory of pid %d: no RssAnon", p.cmd.Process.Pid)
}
