package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"outrigger.dev/outrigger/test/mesh"
)

// protocols of the mesh, by which a sidecar knows who wants mutual TLS of the mesh.
var protocols = []string{"outrigger-http"}

// caller is somebody who calls cart-1 past every sidecar.
type caller struct {
	who  string
	tls  *tls.Config // nil: plain text
	want bool        // to be answered
}

// strict makes the carts strict and shows whom they answer.
func (d *demo) strict(ctx context.Context) (string, error) {
	if err := call(ctx, cart1.sidecar(), nil); err != nil {
		return "", fmt.Errorf("permissive mode did not answer a call in plain text: %w", err)
	}
	d.out.note("permissive, in plain text: answered")
	if err := d.write("strict.yaml", "steps/strict.yaml"); err != nil {
		return "", err
	}
	err := until(ctx, "cart-1 refuses plain text", func() error {
		if err := call(ctx, cart1.sidecar(), nil); err == nil {
			return errors.New("it still answers")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	callers, err := d.callers()
	if err != nil {
		return "", err
	}
	for _, c := range callers {
		err := call(ctx, cart1.sidecar(), c.tls)
		outcome := "answered"
		if err != nil {
			outcome = fmt.Sprintf("refused (%v)", err)
		}
		if (err == nil) != c.want {
			return "", fmt.Errorf("a call %s was %s", c.who, outcome)
		}
		d.out.note("strict, %s: %s", c.who, outcome)
	}
	if _, err := ask(ctx, frontPage+"cart"); err != nil {
		return "", fmt.Errorf("the frontend's sidecar is refused too: %w", err)
	}
	return "plain text, foreign certificate and wrong name refused; the mesh's own answered", nil
}

// callers are those who try strict mode. The right name shows that the others
// are refused for what they lack and for nothing else.
func (d *demo) callers() ([]caller, error) {
	forger, err := d.mesh.Forger()
	if err != nil {
		return nil, err
	}
	stranger, err := mesh.Stranger()
	if err != nil {
		return nil, err
	}
	foreign, err1 := stranger.Client(identityOf+"frontend", protocols...)
	wrong, err2 := forger.Client("spiffe://elsewhere.example/ns/shop/sa/frontend", protocols...)
	right, err3 := forger.Client(identityOf+"frontend", protocols...)
	return []caller{
		{who: "in plain text"},
		{who: "with the right name in a foreign certificate", tls: foreign},
		{who: "with a certificate of the mesh and a name of another trust domain", tls: wrong},
		{who: "with a certificate and a name of the mesh", tls: right, want: true},
	}, errors.Join(err1, err2, err3)
}

// call sends one HTTP request over a connection of its own, and returns why it was not answered.
func call(ctx context.Context, address string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := dial(ctx, address, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	// Whoever is refused cannot write; why, stands in what can be read.
	_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: cart.shop\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func dial(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	if config == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
}

// impostor has somebody else answer at the address of payments, first with a
// wrong name and then, to show that only this was in the way, with the right one.
func (d *demo) impostor(ctx context.Context) (string, error) {
	forger, err := d.mesh.Forger()
	if err != nil {
		return "", err
	}
	d.thief, err = startThief(ctx, payments.sidecar(), forger)
	if err != nil {
		return "", err
	}
	if err := d.thief.pretend(identityOf + "thief"); err != nil {
		return "", err
	}
	_, err = ask(ctx, frontPage+"payments")
	if err == nil || d.thief.requests() != 0 {
		return "", fmt.Errorf("a server named sa/thief at the address of payments got %d requests (error %v)", d.thief.requests(), err) //nolint:errorlint // nil is one of the two ways to fail
	}
	d.out.note("a server named sa/thief at the address of payments: refused, it saw no request")
	if err := d.thief.pretend(identityOf + "payments"); err != nil {
		return "", err
	}
	err = until(ctx, "the frontend reaches payments", func() error {
		_, err := ask(ctx, frontPage+"payments")
		return err
	})
	if err != nil {
		return "", err
	}
	d.out.note("the same server with the name sa/payments: answered")
	return "sa/thief for sa/payments: no request sent", nil
}
