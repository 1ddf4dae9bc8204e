package transport

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/net/http2"
)

// readSettings reads the client's first frame, which tells what it takes. It waits.
func (c *connection) readSettings() error {
	b := takeBuffer(frameHead)[:frameHead]
	defer func() { giveBuffer(b) }()
	if _, err := io.ReadFull(c.tls, b); err != nil {
		return err
	}
	head := headOf(b)
	if head.Type != http2.FrameSettings || head.Flags.Has(http2.FlagSettingsAck) {
		return c.fail(http2.ConnectionError(http2.ErrCodeProtocol))
	}
	if head.Length <= frameBytes {
		b = growBuffer(b, int(head.Length))[:frameHead+int(head.Length)]
		if _, err := io.ReadFull(c.tls, b[frameHead:]); err != nil {
			return err
		}
	}
	return c.doFrame(b)
}

// fail tells the client what it did wrong. What ends a stream only ends it; what is returned ends the connection.
func (c *connection) fail(err error) error {
	if err == nil {
		return nil
	}
	if of, ok := errors.AsType[http2.StreamError](err); ok {
		c.reset(of.StreamID, of.Code)
		return nil
	}
	if code, ok := errors.AsType[http2.ConnectionError](err); ok {
		c.tell(http2.ErrCode(code), "")
	} else if errors.Is(err, http2.ErrFrameTooLarge) {
		c.tell(http2.ErrCodeFrameSize, "")
	} else if why, ok := errors.AsType[calm](err); ok {
		c.tell(http2.ErrCodeEnhanceYourCalm, string(why))
	}
	return err
}

// reset ends a stream that its client broke, or that took too long.
func (c *connection) reset(id uint32, code http2.ErrCode) {
	if s := c.sayReset(id, code); s != nil {
		s.lost(fmt.Errorf("the stream was reset: %s", code))
	}
}

func (c *connection) sayReset(id uint32, code http2.ErrCode) *Stream {
	c.mu.Lock()
	defer c.unlock()
	c.control(func(f *http2.Framer) error { return f.WriteRSTStream(id, code) })
	c.flush()
	c.last = max(c.last, id)
	return c.streams[id]
}

func (c *connection) onFrame(frame http2.Frame) error {
	switch frame := frame.(type) {
	case *http2.MetaHeadersFrame:
		return c.onHeaders(frame)
	case *http2.SettingsFrame:
		return c.onSettings(frame)
	case *http2.PingFrame:
		return c.onPing(frame)
	case *http2.WindowUpdateFrame:
		return c.onWindow(frame)
	case *http2.RSTStreamFrame:
		return c.onReset(frame)
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	default: // GOAWAY: it goes when it goes. PRIORITY, and what is unknown, means nothing here.
		return nil
	}
}

func (c *connection) onSettings(frame *http2.SettingsFrame) error {
	c.mu.Lock()
	defer c.unlock()
	if frame.IsAck() {
		c.agree()
		return nil
	}
	if err := frame.ForeachSetting(c.set); err != nil {
		return err
	}
	return c.answer(func(f *http2.Framer) error { return f.WriteSettingsAck() })
}

// agree takes note that the client sends by our settings from now on: the windows of its streams are narrow, so that the one
// of the connection may be wide. The caller holds mu.
func (c *connection) agree() {
	if c.agreed {
		return
	}
	c.agreed = true
	for _, s := range c.streams {
		s.unread -= firstWindow - narrow // RFC 9113 6.9.2: below zero where it has sent more.
	}
	c.credit += window - firstWindow
	c.returnCredit()
}

// set takes one setting. The caller holds mu.
func (c *connection) set(setting http2.Setting) error {
	if err := setting.Valid(); err != nil {
		return err
	}
	if setting.ID != http2.SettingInitialWindowSize {
		return nil // Longer frames than those that all take are not sent, and no header is remembered.
	}
	by := int(setting.Val) - c.writer.initial
	c.writer.initial += by
	for _, s := range c.streams {
		if !widen(&s.window, by) {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.schedule(s)
	}
	return nil
}

// answer writes a frame that the client made necessary; one that reads none of them is left. The caller holds mu.
func (c *connection) answer(encode func(f *http2.Framer) error) error {
	c.control(encode)
	c.flush()
	if len(c.writer.frames) > maxControl {
		return errUnread
	}
	return nil
}

func (c *connection) onPing(frame *http2.PingFrame) error {
	c.mu.Lock()
	defer c.unlock()
	if frame.IsAck() {
		return nil
	}
	if !c.timing.mayPing() {
		return errPings
	}
	return c.answer(func(f *http2.Framer) error { return f.WritePing(true, frame.Data) })
}

func (c *connection) onWindow(frame *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.unlock()
	if frame.StreamID == 0 {
		if !widen(&c.writer.window, int(frame.Increment)) {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.flush()
		return nil
	}
	s, err := c.known(frame.StreamID)
	if s == nil {
		return err
	}
	if !widen(&s.window, int(frame.Increment)) {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	c.schedule(s)
	c.flush()
	return nil
}

// known returns a stream, nil for one that is over, and an error for one that never was. The caller holds mu.
func (c *connection) known(id uint32) (*Stream, error) {
	if c.recent != nil && c.recent.id == id {
		return c.recent, nil
	}
	if s := c.streams[id]; s != nil {
		c.recent = s
		return s, nil
	}
	if id > c.last || id%2 == 0 {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil, nil
}

// drop forgets a stream. The caller holds mu.
func (c *connection) drop(s *Stream) {
	delete(c.streams, s.id)
	if c.recent == s {
		c.recent = nil
	}
}

func (c *connection) onReset(frame *http2.RSTStreamFrame) error {
	c.mu.Lock()
	s, err := c.known(frame.StreamID)
	c.mu.Unlock()
	if s != nil {
		s.lost(fmt.Errorf("it reset the stream: %s", frame.ErrCode))
	}
	return err
}

// unpad returns a payload without its padding (RFC 9113 6.1).
func unpad(head http2.FrameHeader, payload []byte) ([]byte, bool) {
	if !head.Flags.Has(http2.FlagDataPadded) {
		return payload, true
	}
	if len(payload) == 0 || int(payload[0]) >= len(payload) {
		return nil, false
	}
	return payload[1 : len(payload)-int(payload[0])], true
}

// onData takes in what a stream's client says, and returns whom to tell that there is something to read.
func (c *connection) onData(head http2.FrameHeader, data []byte) (Events, error) {
	c.mu.Lock()
	defer c.unlock()
	size := int(head.Length)
	if c.unread -= size; c.unread < 0 {
		return nil, http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	c.timing.frames++
	c.receipt(size)
	if len(data) < smallData {
		if err := c.countIdle(); err != nil {
			return nil, err
		}
	}
	s, err := c.known(head.StreamID)
	if s == nil {
		return nil, errors.Join(err, c.countIdle())
	}
	if s.in.ended {
		return nil, http2.StreamError{StreamID: s.id, Code: http2.ErrCodeStreamClosed}
	}
	if s.unread -= size; s.unread < 0 {
		return nil, http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	s.in.taken += size - len(data) // Nobody reads the padding.
	s.in.ended = head.Flags.Has(http2.FlagDataEndStream)
	if len(data) > 0 {
		s.in.add(data)
	}
	switch {
	case s.events == nil:
		return nil, nil
	case s.in.readable(c.server.config.MessageBytes):
		return s.events, nil
	default:
		s.allow(s.in.lacking())
		return nil, nil
	}
}

// receipt gives the client back what the connection took, in few steps. The caller holds mu.
func (c *connection) receipt(size int) {
	if c.credit += size; c.agreed && c.credit >= window/4 {
		c.returnCredit()
	}
}

// returnCredit tells the client of its credit. The caller holds mu.
func (c *connection) returnCredit() {
	n := uint32(c.credit)
	c.unread += c.credit
	c.credit = 0
	c.control(func(f *http2.Framer) error { return f.WriteWindowUpdate(0, n) })
	c.flush()
}
