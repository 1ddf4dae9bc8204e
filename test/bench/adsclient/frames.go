package adsclient

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// serve reads frames until the connection ends, and tells all streams why.
func (c *conn) serve() {
	defer close(c.done)
	var err error
	for err == nil {
		var frame http2.Frame
		if frame, err = c.read.ReadFrame(); err == nil {
			err = c.take(frame)
		}
	}
	c.cut()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for _, s := range c.streams {
		s.end(gone(err))
	}
}

func (c *conn) take(frame http2.Frame) error {
	if data, ok := frame.(*http2.DataFrame); ok {
		return c.takeData(data)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		return c.takeSettings(frame)
	case *http2.PingFrame:
		if !frame.IsAck() {
			return c.write.WritePing(true, frame.Data)
		}
	case *http2.WindowUpdateFrame:
		c.takeWindow(frame.StreamID, int64(frame.Increment))
	case *http2.MetaHeadersFrame:
		if s := c.streams[frame.StreamID]; s != nil && frame.StreamEnded() {
			s.end(ending(frame))
		}
	case *http2.RSTStreamFrame:
		if s := c.streams[frame.StreamID]; s != nil {
			s.end(reset(frame.ErrCode))
		}
	case *http2.GoAwayFrame:
		c.going = true
		for id, s := range c.streams {
			if id > frame.LastStreamID {
				s.end(gone(errGoing))
			}
		}
	}
	return nil
}

// takeData hands over what came for a stream, and lets as much come again.
func (c *conn) takeData(frame *http2.DataFrame) error {
	c.mu.Lock()
	s := c.streams[frame.StreamID]
	if c.got += int64(frame.Length); c.got >= window/2 {
		_ = c.write.WriteWindowUpdate(0, uint32(c.got)) // A buffer takes everything.
		c.got = 0
	}
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	if s.got += int64(frame.Length); s.got >= window/2 {
		c.mu.Lock()
		_ = c.write.WriteWindowUpdate(s.id, uint32(s.got)) // See above.
		c.mu.Unlock()
		s.got = 0
	}
	err := s.take(frame.Data())
	if err == nil && frame.StreamEnded() {
		err = errStatus
	}
	if err != nil {
		c.cancel(s, err)
	}
	return nil
}

// takeSettings follows the settings that concern who sends, with mu.
func (c *conn) takeSettings(frame *http2.SettingsFrame) error {
	if frame.IsAck() {
		return nil
	}
	if size, ok := frame.Value(http2.SettingHeaderTableSize); ok {
		c.headers.SetMaxDynamicTableSizeLimit(size)
	}
	if begin, ok := frame.Value(http2.SettingInitialWindowSize); ok {
		more := int64(begin) - c.begin
		c.begin = int64(begin)
		for _, s := range c.streams {
			s.window += more
			c.push(s)
		}
	}
	return c.write.WriteSettingsAck()
}

// takeWindow lets more of what waits go, with mu.
func (c *conn) takeWindow(stream uint32, more int64) {
	if s := c.streams[stream]; s != nil {
		s.window += more
		c.push(s)
		return
	}
	if stream != 0 {
		return
	}
	c.window += more
	for _, s := range c.streams {
		c.push(s)
	}
}

// ending is the error that a stream's trailers say; who ends without one ended well.
func ending(frame *http2.MetaHeadersFrame) error {
	said := map[string]string{}
	for _, f := range frame.Fields {
		said[f.Name] = f.Value
	}
	code, err := strconv.ParseUint(said["grpc-status"], 10, 32)
	if err != nil {
		return fmt.Errorf("%w: HTTP status %s", errStatus, said[":status"])
	}
	full := &status.Status{}
	details, err := base64.RawStdEncoding.DecodeString(said["grpc-status-details-bin"])
	if err != nil || len(details) == 0 || proto.Unmarshal(details, full) != nil {
		message, _ := url.PathUnescape(said["grpc-message"])
		full = &status.Status{Code: int32(code), Message: message}
	}
	if codes.Code(full.Code) == codes.OK {
		return errors.New("the server ended the stream")
	}
	return grpcstatus.ErrorProto(full)
}

// reset is the error of a stream that was cut off, as gRPC has it.
func reset(code http2.ErrCode) error {
	if code == http2.ErrCodeRefusedStream {
		return gone(fmt.Errorf("stream refused: %s", code))
	}
	return grpcstatus.Errorf(codes.Internal, "the server reset the stream: %s", code)
}
