package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"outrigger.dev/outrigger/test/mesh"
)

// thief is an HTTPS server that answers with whatever name it is told to have.
type thief struct {
	forger *mesh.Forger
	server *http.Server
	served chan error
	seen   atomic.Int64
	cert   atomic.Pointer[tls.Certificate]
}

// opaque hides from net/http that connections are secured: it would close those
// with a protocol of the mesh, which it does not know.
type opaque struct{ net.Listener }

func (o opaque) Accept() (net.Conn, error) {
	conn, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{conn}, nil
}

func startThief(ctx context.Context, address string, forger *mesh.Forger) (*thief, error) {
	t := &thief{forger: forger, served: make(chan error, 1)}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the impostor: %w", err)
	}
	secured := tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.cert.Load(), nil },
	})
	t.server = &http.Server{
		Handler: http.HandlerFunc(t.answer), ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // refused handshakes are the story itself
	}
	go func() { t.served <- t.server.Serve(opaque{secured}) }()
	return t, nil
}

func (t *thief) answer(w http.ResponseWriter, _ *http.Request) {
	t.seen.Add(1)
	fmt.Fprintln(w, `{"instance": "thief"}`)
}

// pretend sets the name of the certificate that the next connections see.
func (t *thief) pretend(id string) error {
	cert, err := t.forger.Certificate(id)
	if err != nil {
		return err
	}
	t.cert.Store(&cert)
	return nil
}

func (t *thief) requests() int64 { return t.seen.Load() }

// Close ends the server.
func (t *thief) Close() error {
	err := t.server.Close()
	if served := <-t.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
