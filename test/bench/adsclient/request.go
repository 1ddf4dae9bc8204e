package adsclient

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// request is a DeltaDiscoveryRequest as a client says it.
type request struct {
	node, cluster string // said where node is not empty
	typeURL       string
	nonce         string
	subscribe     []string
	versions      map[uint32]uint32 // initial resource versions, by the numbers of their texts
}

// The numbers of fields of DeltaDiscoveryRequest, of its map's entries and of Node.
const (
	fieldNode, fieldTypeURL, fieldSubscribe, fieldVersions, fieldNonce = 1, 2, 3, 5, 6

	fieldKey, fieldValue                  = 1, 2
	fieldID, fieldCluster, fieldUserAgent = 1, 2, 6
)

// messageHeader stands before every message of gRPC: a byte that says whether it is compressed, and its length.
const messageHeader = 5

// message is the request as gRPC carries it.
func (r *request) message(texts *Texts) []byte {
	b := make([]byte, messageHeader, messageHeader+r.size())
	if r.node != "" {
		var node []byte
		node = appendText(node, fieldID, r.node)
		node = appendText(node, fieldCluster, r.cluster)
		node = appendText(node, fieldUserAgent, "envoy")
		b = appendText(b, fieldNode, string(node))
	}
	b = appendText(b, fieldTypeURL, r.typeURL)
	for _, name := range r.subscribe {
		b = appendText(b, fieldSubscribe, name)
	}
	for name, version := range r.versions {
		name, version := texts.text(name), texts.text(version)
		b = protowire.AppendTag(b, fieldVersions, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(sizeText(name)+sizeText(version)))
		b = appendText(b, fieldKey, name)
		b = appendText(b, fieldValue, version)
	}
	if r.nonce != "" {
		b = appendText(b, fieldNonce, r.nonce)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-messageHeader))
	return b
}

// size is about how long the message is.
func (r *request) size() int {
	const text = 64
	return text * (4 + len(r.subscribe) + 2*len(r.versions))
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

// sizeText is the length of a text as a field with a number below 16.
func sizeText(text string) int { return 1 + protowire.SizeBytes(len(text)) }
