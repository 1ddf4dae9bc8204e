package server

import (
	"fmt"
	"runtime/debug"
)

// panicError is a fault of ours, with its stack.
type panicError struct {
	value any
	stack []byte
}

// Error names the fault without its stack.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

func recovered(err *error) {
	if value := recover(); value != nil {
		*err = &panicError{value: value, stack: debug.Stack()}
	}
}
