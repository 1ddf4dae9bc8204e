package transport

import "encoding/binary"

// outbox holds the messages of a stream that are not written yet, without a copy.
type outbox struct {
	size   int // bytes that are left
	chunks [][]byte
	first  int // bytes of the first chunk that are written
	// lengths are how many bytes are left of each message; cut says that the first of them is written in part.
	lengths []int
	cut     bool

	// few, head and one are for the usual message: short, and sent while nothing waits.
	few  [4][]byte
	head [messageHead]byte
	one  [1]int
}

// messageHead is the length of what gRPC puts before a message: a byte for compression and its length.
const messageHead = 5

// add appends a message.
func (o *outbox) add(message [][]byte) {
	size := 0
	for _, chunk := range message {
		size += len(chunk)
	}
	var head []byte
	if o.size == 0 {
		o.chunks, head, o.lengths = o.few[:0], o.head[:], o.one[:0]
	} else {
		head = make([]byte, messageHead)
	}
	binary.BigEndian.PutUint32(head[1:], uint32(size))
	o.chunks = append(append(o.chunks, head), message...)
	o.size += messageHead + size
	o.lengths = append(o.lengths, messageHead+size)
}

// move takes n bytes out and appends them to b. There are as many.
func (o *outbox) move(b []byte, n int) []byte {
	o.size -= n
	o.pass(n)
	for n > 0 {
		chunk := o.chunks[0][o.first:]
		if len(chunk) > n {
			b = append(b, chunk[:n]...)
			o.first += n
			return b
		}
		b = append(b, chunk...)
		n -= len(chunk)
		o.chunks[0], o.first = nil, 0
		o.chunks = o.chunks[1:]
	}
	if o.size == 0 {
		o.drop()
	}
	return b
}

// pass counts n bytes as written.
func (o *outbox) pass(n int) {
	for n > 0 {
		taken := min(n, o.lengths[0])
		n -= taken
		o.lengths[0] -= taken
		if o.cut = o.lengths[0] > 0; !o.cut {
			o.lengths = o.lengths[1:]
		}
	}
}

// drop forgets all.
func (o *outbox) drop() { *o = outbox{} }
