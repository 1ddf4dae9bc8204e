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

// receive reads messages and takes the stream's turn for each, until the client or the stream ends. It runs two messages
// ahead at most: what is not taken stays with the client.
func (st *stream) receive() {
	for first := true; ; first = false {
		r := &request{first: first}
		err := recvSafely(st.transport, r)
		select {
		case st.received <- received{r, err}:
		case <-st.done:
			return
		}
		if st.turn.take() {
			st.goOn()
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
