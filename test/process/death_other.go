//go:build !linux

package process

import "syscall"

// attributes keeps the signals of a terminal away from the child: who started
// it ends it. Only Linux can end a child with its parent.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
