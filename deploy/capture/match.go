package capture

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// reg is the register that every comparison uses.
const reg = unix.NFT_REG_1

func meta(key expr.MetaKey) *expr.Meta { return &expr.Meta{Key: key, Register: reg} }

func compare(op expr.CmpOp, data []byte) *expr.Cmp {
	return &expr.Cmp{Op: op, Register: reg, Data: data}
}

func isTCP() []expr.Any {
	return []expr.Any{meta(expr.MetaKeyL4PROTO), compare(expr.CmpOpEq, []byte{unix.IPPROTO_TCP})}
}

func user(id uint32) rule {
	return rule{
		fmt.Sprintf("meta skuid %d", id),
		[]expr.Any{meta(expr.MetaKeySKUID), compare(expr.CmpOpEq, binaryutil.NativeEndian.PutUint32(id))},
	}
}

func overLoopback() rule {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, "lo")
	return rule{`oifname "lo"`, []expr.Any{meta(expr.MetaKeyOIFNAME), compare(expr.CmpOpEq, name)}}
}

func toPorts(r PortRange) rule {
	exprs := append(isTCP(), &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
	first, last := binaryutil.BigEndian.PutUint16(r.First), binaryutil.BigEndian.PutUint16(r.Last)
	if r.First == r.Last {
		exprs = append(exprs, compare(expr.CmpOpEq, first))
	} else {
		exprs = append(exprs, compare(expr.CmpOpGte, first), compare(expr.CmpOpLte, last))
	}
	return rule{"tcp dport " + r.String(), exprs}
}

func to(p netip.Prefix) rule    { return address(destination, p, expr.CmpOpEq) }
func notTo(p netip.Prefix) rule { return address(destination, p, expr.CmpOpNeq) }
func notFrom(a netip.Addr) rule {
	return address(source, netip.PrefixFrom(a, a.BitLen()), expr.CmpOpNeq)
}

// side is where an address stands in a packet: the name of the field, and its offset in the header of both families.
type side struct {
	name   string
	v4, v6 uint32
}

var (
	source      = side{"saddr", 12, 8}
	destination = side{"daddr", 16, 24}
)

// address compares an address of a packet, which must be of the family of the prefix.
func address(s side, p netip.Prefix, op expr.CmpOp) rule {
	family, name, offset := byte(unix.NFPROTO_IPV4), "ip", s.v4
	if p.Addr().Is6() {
		family, name, offset = unix.NFPROTO_IPV6, "ip6", s.v6
	}
	not := ""
	if op == expr.CmpOpNeq {
		not = "!= "
	}
	size := uint32(p.Addr().BitLen() / 8)
	out := rule{
		fmt.Sprintf("%s %s %s%s", name, s.name, not, prefixText(p)),
		[]expr.Any{
			meta(expr.MetaKeyNFPROTO), compare(expr.CmpOpEq, []byte{family}),
			&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		},
	}
	if !p.IsSingleIP() {
		out.exprs = append(out.exprs, &expr.Bitwise{
			SourceRegister: reg, DestRegister: reg, Len: size, Mask: mask(p), Xor: make([]byte, size),
		})
	}
	out.exprs = append(out.exprs, compare(op, p.Masked().Addr().AsSlice()))
	return out
}

func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// mask has the bits of a prefix set.
func mask(p netip.Prefix) []byte {
	ones := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		ones[i/8] |= 0x80 >> (i % 8)
	}
	return ones
}

// leave lets a connection go its way.
func leave() rule { return rule{"return", []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}} }

func redirect(port uint16) rule {
	return rule{
		fmt.Sprintf("meta l4proto tcp redirect to :%d", port),
		append(isTCP(),
			&expr.Immediate{Register: reg, Data: binaryutil.BigEndian.PutUint16(port)},
			&expr.Redir{RegisterProtoMin: reg, RegisterProtoMax: reg, Flags: unix.NF_NAT_RANGE_PROTO_SPECIFIED},
		),
	}
}
