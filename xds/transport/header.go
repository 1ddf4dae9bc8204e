package transport

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// field is a header.
type field struct{ name, value string }

// contentType is what gRPC's messages are called; clients may add what they are encoded with.
const contentType = "application/grpc"

// startOfAnswer are the headers of every answer.
func startOfAnswer() []field {
	return []field{{":status", "200"}, {"content-type", contentType}}
}

// encode compresses headers without reference to earlier ones: neither side has to remember any.
func encode(fields []field) []byte {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSize(0) // Said in each block, for clients that want a smaller table.
	for _, f := range fields {
		// A buffer takes all.
		_ = e.WriteField(hpack.HeaderField{Name: f.name, Value: f.value, Sensitive: !isStatic(f)})
	}
	return block.Bytes()
}

// isStatic reports whether HPACK knows the field, so that an index stands for it.
func isStatic(f field) bool { return f.name == ":status" && f.value == "200" }

func responseHead(id uint32) http2.HeadersFrameParam {
	return http2.HeadersFrameParam{StreamID: id, BlockFragment: encode(startOfAnswer()), EndHeaders: true}
}

// maxStatus bounds the text of a status: with all else it has to fit into a frame.
const maxStatus = 4 << 10

// writeTrailers ends a stream with a status. The caller holds the connection's mu.
func (s *Stream) writeTrailers(f *http2.Framer, st *status.Status) error {
	var fields []field
	if !s.greeted {
		fields = startOfAnswer()
	}
	fields = append(fields, field{"grpc-status", strconv.Itoa(int(st.Code()))})
	if message := escape(clip(st.Message(), maxStatus)); message != "" {
		fields = append(fields, field{"grpc-message", message})
	}
	if details := detailsOf(st); details != "" {
		fields = append(fields, field{"grpc-status-details-bin", details})
	}
	err := f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: s.id, BlockFragment: encode(fields), EndHeaders: true, EndStream: true,
	})
	if !s.in.ended {
		err = errors.Join(err, f.WriteRSTStream(s.id, http2.ErrCodeNo))
	}
	return err
}

// detailsOf returns what a status says beyond code and message, as gRPC writes it.
func detailsOf(st *status.Status) string {
	if len(st.Proto().GetDetails()) == 0 {
		return ""
	}
	details := st.Proto()
	details.Message = clip(details.GetMessage(), maxStatus)
	b, err := proto.Marshal(details)
	if err != nil || len(b) > 2*maxStatus {
		return ""
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

func clip(s string, most int) string { return s[:min(len(s), most)] }

// escape writes a status's text as gRPC wants it: what is not printable ASCII in percent.
func escape(s string) string {
	var b []byte
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			b = fmt.Appendf(b, "%%%02X", c)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// refusal answers a call that is none: by HTTP where it is not gRPC, else by a status.
func refusal(id uint32, err *callError) http2.HeadersFrameParam {
	fields := []field{{":status", strconv.Itoa(err.status)}}
	if err.status == statusOK {
		fields = append(startOfAnswer(), field{"grpc-status", strconv.Itoa(int(err.code))}, field{"grpc-message", escape(clip(err.text, maxStatus))})
	}
	return http2.HeadersFrameParam{StreamID: id, BlockFragment: encode(fields), EndHeaders: true, EndStream: true}
}

// callError is why a call is not begun.
type callError struct {
	status int // of HTTP
	code   codes.Code
	text   string
}

const statusOK = 200
