package envoy

import "syscall"

// dieWithParent has the kernel end a child when the thread that started it
// does, so that not even a test that panics leaves an Envoy behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
