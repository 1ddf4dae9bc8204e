package adsclient

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// rawCodec hands received messages over as bytes and marshals what is sent.
type rawCodec struct{}

// rawMessage is a received message, not yet looked at.
type rawMessage struct{ data []byte }

// Marshal encodes a protobuf message.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("cannot marshal %T", v)
	}
	data, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal keeps the bytes.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*rawMessage)
	if !ok {
		return fmt.Errorf("cannot unmarshal into %T", v)
	}
	m.data = data.Materialize()
	return nil
}

// Name returns the name of the content type, which is that of the stock codec.
func (rawCodec) Name() string { return "proto" }
