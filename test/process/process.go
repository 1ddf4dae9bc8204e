package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// DefaultGrace is how long a process may take to end on SIGTERM unless Config says otherwise.
const DefaultGrace = 30 * time.Second

// Config says what Start runs.
type Config struct {
	// Path is the program, Args are its arguments without the program.
	Path string
	Args []string
	// Dir is the working directory. Empty: that of the caller.
	Dir string
	// Log is the file to which standard output and standard error are
	// appended. It is made when it is missing.
	Log string
	// Output is the file that standard output goes to instead. Empty: Log.
	Output string
	// Grace is how long the process may take to end on SIGTERM. Zero: DefaultGrace.
	Grace time.Duration
	// Place is where it runs. Zero: where the caller does, as the caller.
	Place Place
}

// Place is a place on the machine other than the caller's.
type Place struct {
	// Around calls the function that starts the process on the thread on which it was called itself,
	// and puts the thread into the place meanwhile, such as another network namespace. Nil: it is called as it is.
	Around func(start func() error) error
	// User is the id of the user and of the group that the process runs as. Zero: those of the caller.
	User uint32
}

func (p Place) start(cmd *exec.Cmd) error {
	if p.User != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: p.User, Gid: p.User}
	}
	if p.Around == nil {
		return cmd.Start()
	}
	return p.Around(cmd.Start)
}

// Process is a running program. Its methods may be called from several goroutines.
type Process struct {
	cfg    Config
	cmd    *exec.Cmd
	cancel context.CancelFunc
	exited chan struct{} // closed after err is set
	err    error         // how the process ended
}

// Start runs a program until Stop, Kill or the end of ctx, whichever comes
// first; one of the two methods must be called to release what it holds.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Output == "" {
		cfg.Output = cfg.Log
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, cfg.Path, cfg.Args...)
	cmd.Dir = cfg.Dir
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = cfg.Grace
	p := &Process{cfg: cfg, cmd: cmd, cancel: cancel, exited: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		cancel()
		<-p.exited
		return nil, fmt.Errorf("starting %s: %w", cfg.Path, err)
	}
	return p, nil
}

// run starts the process, reports that on started, and waits for its end. It
// keeps its thread for so long: the process would die with it.
func (p *Process) run(started chan<- error) {
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

func (p *Process) launch() error {
	said, err := p.appendTo(p.cfg.Log)
	if err != nil {
		return err
	}
	defer said.Close()
	output, err := p.appendTo(p.cfg.Output)
	if err != nil {
		return err
	}
	defer output.Close()
	p.cmd.Stdout, p.cmd.Stderr = output, said
	return p.cfg.Place.start(p.cmd)
}

// appendTo opens a log for the process's user, who may open it again by the name /dev/stdout.
func (p *Process) appendTo(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if user := int(p.cfg.Place.User); err == nil && user != 0 {
		err = file.Chown(user, user)
	}
	return file, err
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err says how the process ended; call it only once Exited is closed.
func (p *Process) Err() error { return p.err }

// Stop ends the process with SIGTERM, after Config.Grace with SIGKILL, and waits for
// its end. The error says that the process ended in another way, for example
// that it had failed before, and holds its log.
func (p *Process) Stop() error {
	p.cancel()
	<-p.exited
	if p.err == nil || errors.Is(p.err, context.Canceled) || errors.Is(p.err, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("%s ended badly: %w: %s", p.cfg.Path, p.err, p.Logs())
}

// Kill ends the process with SIGKILL, as a crash would, and waits for its end.
func (p *Process) Kill() {
	// The only error is that the process has ended.
	_ = p.cmd.Process.Kill()
	<-p.exited
	p.cancel()
}

// Logs is what the process has said so far, or why that cannot be read.
func (p *Process) Logs() string {
	text, err := os.ReadFile(p.cfg.Log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
