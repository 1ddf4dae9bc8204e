//go:build !linux

package transport

import "sync"

// pollers are of Linux.
type pollers struct{ work *sync.WaitGroup }

func (*pollers) reader(*connection) reader { return nil }

func (*pollers) close() {}
