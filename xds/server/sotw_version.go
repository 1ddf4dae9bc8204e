package server

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"outrigger.dev/outrigger/xds/cache"
)

// setVersion makes the version of a set of resources, whatever their order. It is made from content alone, so that any
// replica knows a set that another one sent.
type setVersion struct {
	sum   uint64
	count uint64
}

func (v *setVersion) add(res *cache.Resource) {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(res.Name()) // It never fails, nor do those below.
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(res.Version())
	v.sum += d.Sum64()
	v.count++
}

// String returns 11 characters. It is never empty, as an empty version says that nothing was received.
func (v *setVersion) String() string {
	var both, out [16]byte
	binary.BigEndian.PutUint64(both[:8], v.sum)
	binary.BigEndian.PutUint64(both[8:], v.count)
	binary.BigEndian.PutUint64(out[:8], xxhash.Sum64(both[:]))
	return base64.RawURLEncoding.EncodeToString(out[:8])
}

func stateOf(resources []*cache.Resource) string {
	var v setVersion
	for _, res := range resources {
		v.add(res)
	}
	return v.String()
}
