package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"pgregory.net/rapid"
)

// pieces is a connection that brings bytes in pieces of given sizes, again and again, and ends behind them.
type pieces struct {
	net.Conn

	rest  []byte
	sizes []int
	reads int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	size := p.sizes[p.reads%len(p.sizes)]
	p.reads++
	n := copy(b, p.rest[:min(size, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

// records makes records of TLS with bodies of such sizes.
func recordsOf(sizes []int) (all []byte, ends map[int]bool) {
	ends = map[int]bool{}
	for i, size := range sizes {
		all = append(append(all, 23, 3, 3, byte(size>>8), byte(size)), bytes.Repeat([]byte{byte(i)}, size)...)
		ends[len(all)] = true
	}
	return all, ends
}

// TestRecords: however bytes come and are asked for, they are read in order and to the end, and no read goes beyond the
// end of a record.
func TestRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 8), rapid.IntRange(0, 3000), rapid.IntRange(16_000, 0xffff))
		all, ends := recordsOf(rapid.SliceOfN(size, 1, 12).Draw(t, "records"))
		if cut := rapid.IntRange(0, 4).Draw(t, "cut"); cut > 0 {
			all = all[:len(all)-min(cut, len(all))]
		}
		chunk := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 10), rapid.IntRange(1, 40_000)), 1, 5)
		conn := &pieces{rest: all, sizes: chunk.Draw(t, "comes")}
		asks := chunk.Draw(t, "asked for")
		var r records
		var got []byte
		for i := 0; ; i++ {
			b := make([]byte, asks[i%len(asks)])
			n, err := r.read(conn, b)
			for end := len(got) + 1; end < len(got)+n; end++ {
				if ends[end] {
					t.Fatalf("a read from %d to %d goes beyond %d", len(got), len(got)+n, end)
				}
			}
			got = append(got, b[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || n == 0 {
				t.Fatalf("read %d bytes: %v", n, err)
			}
		}
		if !bytes.Equal(got, all) || r.kept != nil {
			t.Fatalf("read %d of %d bytes, %d are kept", len(got), len(all), len(r.kept))
		}
	})
}

// TestRecordsTakeOneRead: a short record takes one read of the connection, and nothing is kept of it.
func TestRecordsTakeOneRead(t *testing.T) {
	all, _ := recordsOf([]int{100})
	conn := &pieces{rest: all, sizes: []int{len(all)}}
	var r records
	n, err := r.read(conn, make([]byte, 517))
	if n != len(all) || err != nil || conn.reads != 1 || r.kept != nil {
		t.Errorf("%d bytes in %d reads: %v", n, conn.reads, err)
	}
}
