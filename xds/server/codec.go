package server

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec writes responses as slices of shared chunks and reads requests by hand;
// for all other messages it is the stock codec.
type codec struct{ stock encoding.CodecV2 }

func newCodec() codec { return codec{stock: encoding.GetCodecV2(proto.Name)} }

// Marshal returns the wire form of a message.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch r := v.(type) {
	case *response:
		return r.buffers(), nil
	case *sotwResponse:
		return r.buffers(), nil
	}
	return c.stock.Marshal(v)
}

// Unmarshal reads a message. The bytes are the caller's again afterwards.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	// The stream says what is wrong, with the right status; gRPC would call it internal.
	switch r := v.(type) {
	case *request:
		whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer whole.Free()
		r.malformed = r.decode(whole.ReadOnlyData())
	case *sotwRequest:
		whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer whole.Free()
		r.malformed = r.decode(whole.ReadOnlyData())
	default:
		return c.stock.Unmarshal(data, v)
	}
	return nil
}

// Name returns the name of the stock codec: on the wire nothing differs.
func (c codec) Name() string { return c.stock.Name() }
