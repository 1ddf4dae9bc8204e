package transport

import "sync"

// reader has what comes of a connection taken in, from begin to end.
type reader interface {
	// begin is called once, after the first frame, with what has come behind it still to be taken in.
	begin()
	// goOn is called when the connection is not paused any more. It does not wait; the caller holds the connection's mu.
	goOn()
	// end is called when the connection is over.
	end()
}

// readerFor returns the reader of a connection: a poller where it has a descriptor, else a goroutine.
func (s *Server) readerFor(c *connection) reader {
	if c.socket.fd != none {
		if r := s.pollers.reader(c); r != nil {
			return r
		}
	}
	w := &waiting{connection: c}
	w.more.L = &c.mu
	return w
}

// waiting reads a connection by a goroutine that waits for what comes.
type waiting struct {
	connection *connection
	more       sync.Cond
	piece      []byte // came, and has not been read by TLS
	err        error
}

// Read is for TLS.
func (w *waiting) Read(p []byte) (int, error) {
	if len(w.piece) == 0 {
		if w.err != nil {
			return 0, w.err
		}
		return 0, errAgain
	}
	n := copy(p, w.piece)
	w.piece = w.piece[n:]
	return n, nil
}

func (w *waiting) begin() {
	w.connection.socket.source = w
	w.connection.server.work.Go(w.run)
}

func (w *waiting) goOn() { w.more.Signal() }

func (w *waiting) end() {
	w.connection.mu.Lock()
	defer w.connection.mu.Unlock()
	w.more.Signal()
}

func (w *waiting) run() {
	b := takeBuffer(smallBuffer)
	defer giveBuffer(b)
	for w.takeIn() {
		n, err := w.connection.socket.Conn.Read(b[:cap(b)])
		w.piece, w.err = b[:n], err
	}
}

// takeIn takes in what has come; false: the connection is over.
func (w *waiting) takeIn() bool {
	c := w.connection
	b := takeBuffer(frameBuffer)
	defer giveBuffer(b)
	for {
		switch c.takeIn(b[:cap(b)]) {
		case takenAll:
			return true
		case takenLast:
			return false
		case takenHalf:
			if !w.wait() {
				return false
			}
		case takenSome:
		}
	}
}

// wait waits until the connection is not paused any more; false: it is over.
func (w *waiting) wait() bool {
	c := w.connection
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.paused && c.err == nil {
		w.more.Wait()
	}
	return c.err == nil
}
