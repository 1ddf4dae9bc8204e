package server

import (
	"fmt"
	"runtime/debug"
)

// received is a message, or the end of the client's side.
type received struct {
	request *request
	err     error
}

// receive hands messages to the stream one by one, and wakes it for each, until the client ends or done is
// closed. It runs two messages ahead at most: what is not taken stays with the client.
func receive(from transport, to chan<- received, wake chan<- struct{}, done <-chan struct{}) {
	for first := true; ; first = false {
		r := &request{first: first}
		err := recvSafely(from, r)
		select {
		case to <- received{r, err}:
			poke(wake)
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}

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

func recvSafely(from transport, r *request) (err error) {
	defer recovered(&err)
	return from.recv(r)
}
