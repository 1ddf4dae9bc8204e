package transport

import (
	"encoding/binary"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// inbox holds the bytes of a stream that its owner has not taken.
type inbox struct {
	bytes []byte // in a buffer of the pool
	begin int    // where what is not taken begins
	// ahead is what the client was allowed to send beyond the window, to end a message that is longer.
	ahead int
	// taken are bytes that the owner took and the client has not been told of.
	taken int
	ended bool // the client has said all
}

// add appends what came.
func (i *inbox) add(p []byte) {
	i.bytes = append(growBuffer(i.bytes, len(p)), p...)
}

func (i *inbox) rest() []byte { return i.bytes[i.begin:] }

// readable reports whether the owner has something to take: a message, an end, or a fault.
func (i *inbox) readable(most int) bool {
	message, err := i.head(most)
	return i.ended || message != nil || err != nil
}

func lengthOf(message []byte) int { return int(binary.BigEndian.Uint32(message[1:])) }

// head returns the first message, nil where it has not come as a whole. The error is a status.
func (i *inbox) head(most int) ([]byte, error) {
	rest := i.rest()
	if len(rest) < messageHead {
		return nil, nil
	}
	length := lengthOf(rest)
	switch {
	case rest[0] != 0:
		return nil, status.Error(codes.Unimplemented, "compressed messages are not read")
	case length > most:
		return nil, status.Errorf(codes.ResourceExhausted, "the message has %d bytes, at most %d are read", length, most)
	case len(rest) < messageHead+length:
		return nil, nil
	default:
		return rest[messageHead : messageHead+length], nil
	}
}

// take ends the owner's use of a message of so many bytes.
func (i *inbox) take(length int) {
	i.begin += messageHead + length
	i.taken += messageHead + length
	if i.begin == len(i.bytes) {
		i.drop()
		return
	}
	if i.begin > len(i.bytes)/2 {
		i.bytes = slices.Delete(i.bytes, 0, i.begin)
		i.begin = 0
	}
}

// lacking is how much more than the window the client needs to end the message that it is sending, and has not been
// allowed yet.
func (i *inbox) lacking() int {
	rest := i.rest()
	if len(rest) < messageHead {
		return 0
	}
	return max(0, messageHead+lengthOf(rest)+i.taken-window-i.ahead)
}

// drop gives the buffer back.
func (i *inbox) drop() {
	if i.bytes != nil {
		giveBuffer(i.bytes)
	}
	i.bytes, i.begin = nil, 0
}
