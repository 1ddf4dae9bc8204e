package transport

import (
	"encoding/binary"
	"io"
)

const (
	// recordHead is the length of the head of a record of TLS, whose last two bytes are the length of the rest.
	recordHead = 5
	// recordMost is how long a record may be (RFC 8446 5.2).
	recordMost = recordHead + record + 256
)

// records reads a connection so that whoever asks gets the bytes of one record of TLS at most. The buffer of crypto/tls
// holds one record then, 18 KB; it doubles, and never shrinks again, when the beginning of another one stands behind.
// One goroutine at a time reads.
type records struct {
	head [recordHead]byte // of the present record
	have int              // how much of it has been handed out
	left int              // how much of the rest has not, once all of the head has
	kept []byte           // begins at a record; in a buffer of the pool, nil where nothing is kept
	from int              // where what is kept begins
}

// read is that of conn.
func (r *records) read(conn io.Reader, p []byte) (int, error) {
	if kept := r.kept[r.from:]; len(kept) > 0 {
		n := copy(p, kept[:r.pass(kept[:min(len(p), len(kept))])])
		if r.from += n; r.from == len(r.kept) {
			giveBuffer(r.kept)
			r.kept, r.from = nil, 0
		}
		return n, nil
	}
	most := min(len(p), recordMost)
	if r.left > 0 {
		most = min(len(p), r.left)
	}
	n, err := conn.Read(p[:most])
	own := r.pass(p[:n])
	if own < n {
		r.kept = append(takeBuffer(n-own), p[own:n]...)
		return own, nil // An error is there at the next read, too.
	}
	return own, err
}

// pass counts bytes as handed out, and returns how many of them belong to the present record.
func (r *records) pass(b []byte) int {
	n := copy(r.head[r.have:], b)
	if r.have < recordHead && r.have+n == recordHead {
		r.left = int(binary.BigEndian.Uint16(r.head[recordHead-2:]))
	}
	if r.have += n; r.have < recordHead {
		return n
	}
	rest := min(r.left, len(b)-n)
	if r.left -= rest; r.left == 0 {
		r.have = 0
	}
	return n + rest
}
