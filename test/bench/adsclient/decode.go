package adsclient

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Response is what the client keeps of a DeltaDiscoveryResponse.
type Response struct {
	TypeURL   string
	Nonce     string
	Resources []Named
	Removed   []string
	// Bytes is the length of the message, Bodies that of the resources in it.
	Bytes, Bodies int
}

// Named is the name and version of a resource.
type Named struct{ Name, Version string }

var errWire = errors.New("malformed discovery response")

// fields calls visit for every length-delimited field of a message.
func fields(b []byte, visit func(field protowire.Number, value []byte)) error {
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, typ, b); n < 0 {
				return errWire
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return errWire
		}
		visit(field, value)
		b = b[n:]
	}
	return nil
}

// decode reads the fields that the client needs, and keeps nothing of data: resources (2), type_url (4), nonce (5), removed_resources (6).
func decode(data []byte, texts *Texts) (Response, error) {
	r := Response{Bytes: len(data)}
	var inner error
	err := fields(data, func(field protowire.Number, value []byte) {
		switch field {
		case 2:
			named, err := decodeResource(value, texts)
			inner = errors.Join(inner, err)
			r.Resources, r.Bodies = append(r.Resources, named), r.Bodies+len(value)
		case 4:
			r.TypeURL = string(value)
		case 5:
			r.Nonce = string(value)
		case 6:
			r.Removed = append(r.Removed, string(value))
		}
	})
	return r, errors.Join(err, inner)
}

// decodeResource reads version (1) and name (3).
func decodeResource(b []byte, texts *Texts) (Named, error) {
	var n Named
	err := fields(b, func(field protowire.Number, value []byte) {
		switch field {
		case 1:
			n.Version = texts.share(value)
		case 3:
			n.Name = texts.share(value)
		}
	})
	return n, err
}
