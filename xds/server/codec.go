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
	if r, ok := v.(*response); ok {
		return r.buffers(), nil
	}
	return c.stock.Marshal(v)
}

// Unmarshal reads a message. The bytes are the caller's again afterwards.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*request)
	if !ok {
		return c.stock.Unmarshal(data, v)
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	// The stream says what is wrong, with the right status; gRPC would call it internal.
	r.malformed = r.decode(whole.ReadOnlyData())
	return nil
}

// Name returns the name of the stock codec: on the wire nothing differs.
func (c codec) Name() string { return c.stock.Name() }
