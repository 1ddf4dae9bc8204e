//go:build !linux

package envoy

import "syscall"

// dieWithParent asks for nothing: only Linux can end a child with its parent.
func dieWithParent() *syscall.SysProcAttr { return nil }
