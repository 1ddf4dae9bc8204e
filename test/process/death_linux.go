package process

import "syscall"

// attributes has the kernel end the child when the thread that started it does,
// and keeps the signals of a terminal away from it: who started it ends it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
