package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"

	"golang.org/x/net/http2"
)

// FuzzFrames: whatever bytes come after the handshake, the server answers or leaves, and others are served.
func FuzzFrames(f *testing.F) {
	var good bytes.Buffer
	framer := http2.NewFramer(&good, nil)
	for _, err := range []error{
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(), EndHeaders: true}),
		framer.WriteData(1, false, message("hello")),
		framer.WriteSettingsAck(),
		framer.WriteWindowUpdate(1, 7),
		framer.WritePing(false, [8]byte{}),
		framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}),
		framer.WriteDataPadded(1, true, message("there"), []byte{0, 0}),
		framer.WriteRSTStream(1, 0),
	} {
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add(good.Bytes())
	f.Add(bytes.Repeat([]byte{0}, 100))
	r := overTCP(f)
	other := open(f, f.Context(), r.client(), echoMethod)
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, err := r.dial()
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(plain, clientTLS())
		_, err = io.WriteString(conn, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00") // Empty settings.
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(b) // It may have ended in the middle.
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn) // Until the server has read all, and leaves.
		_ = conn.Close()
		var hello []byte
		if err := errors.Join(other.SendMsg([]byte("hello")), other.RecvMsg(&hello)); err != nil || string(hello) != "hello" {
			t.Errorf("another client is not served: %q, %v", hello, err)
		}
	})
}
