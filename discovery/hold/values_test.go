package hold

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
)

var (
	addrType     = reflect.TypeFor[netip.Addr]()
	addrPortType = reflect.TypeFor[netip.AddrPort]()
)

func testAddr(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, last}) }

func testAddrPort(last byte) netip.AddrPort { return netip.AddrPortFrom(testAddr(last), 8080) }

// wrapped puts content into an envelope with a good checksum, where it is JSON at all.
func wrapped(raw []byte) []byte {
	if !json.Valid(raw) {
		return raw
	}
	return fmt.Appendf(nil, `{"format":%q,"version":%d,"sha256":%q,"content":%s}`, format, formatVersion, checksum(raw), raw)
}
