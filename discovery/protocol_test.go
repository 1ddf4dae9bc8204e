package discovery_test

import (
	"testing"

	"outrigger.dev/outrigger/discovery"
)

func TestProtocolOf(t *testing.T) {
	for _, test := range []struct {
		app, name string
		numbers   []uint16
		want      discovery.Protocol
		known     bool
	}{
		{want: discovery.Detect, known: true},
		{app: "http", want: discovery.HTTP, known: true},
		{app: "HTTP2", want: discovery.HTTP2, known: true},
		{app: "kubernetes.io/h2c", want: discovery.HTTP2, known: true},
		{app: "kubernetes.io/ws", want: discovery.HTTP, known: true},
		{app: "kubernetes.io/wss", want: discovery.TLS, known: true},
		{app: "grpc", name: "http", want: discovery.GRPC, known: true},
		{app: "https", want: discovery.TLS, known: true},
		{app: "redis", want: discovery.TCP, known: true},
		{app: "example.com/own", name: "http", want: discovery.Detect, known: false},
		{app: "outrigger.dev/detect", name: "mysql", numbers: []uint16{3306}, want: discovery.Detect, known: true},
		{name: "http", want: discovery.HTTP, known: true},
		{name: "http-web", want: discovery.HTTP, known: true},
		{name: "https-web", want: discovery.TLS, known: true},
		{name: "http2-web", want: discovery.HTTP2, known: true},
		{name: "grpc-api", want: discovery.GRPC, known: true},
		{name: "tcp-any", want: discovery.TCP, known: true},
		{name: "mysql", want: discovery.TCP, known: true},
		{name: "httpweb", want: discovery.Detect, known: true},
		{name: "web", numbers: []uint16{80, 8080}, want: discovery.Detect, known: true},
		{name: "web", numbers: []uint16{80, 3306}, want: discovery.TCP, known: true},
		{numbers: []uint16{25}, want: discovery.TCP, known: true},
		{name: "http", numbers: []uint16{25}, want: discovery.HTTP, known: true},
		{numbers: []uint16{465}, want: discovery.Detect, known: true},
		{numbers: []uint16{5432}, want: discovery.Detect, known: true},
	} {
		got, known := discovery.ProtocolOf(test.app, test.name, test.numbers...)
		if got != test.want || known != test.known {
			t.Errorf("ProtocolOf(%q, %q, %v) = %v, %t; want %v, %t", test.app, test.name, test.numbers, got, known, test.want, test.known)
		}
	}
}
