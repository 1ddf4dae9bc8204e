package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"outrigger.dev/outrigger/test/load"
)

// shortLife is a life of certificates that lets one be renewed while the demo
// looks: after 20 to 40 % of it.
const shortLife = 15 * time.Second

// renew has the control plane sign certificates of a short life, and looks at
// the one that cart-1 shows until it has been renewed by itself.
func (d *demo) renew(ctx context.Context) (string, error) {
	long, err := d.shown(ctx)
	if err != nil {
		return "", err
	}
	l := load.Start(ctx, load.Config{URL: frontPage})
	defer l.Stop()
	d.mesh.SetIdentityTTL(shortLife)
	if err := errors.Join(d.mesh.StopServer(), d.mesh.StartServer(ctx)); err != nil {
		return "", err
	}
	d.out.note("the control plane now signs for %s; cart-1 shows a certificate of %s", shortLife, life(long))
	replaced, err := d.next(ctx, long)
	if err != nil {
		return "", err
	}
	d.out.note("it was replaced by one of %s", life(replaced))
	renewed, err := d.next(ctx, replaced)
	if err != nil {
		return "", err
	}
	left := time.Until(replaced.NotAfter).Round(100 * time.Millisecond)
	d.out.note("that one was renewed with %s left", left)
	report := l.Stop()
	d.out.note("%s", report)
	if !renewed.NotAfter.After(replaced.NotAfter) || left <= 0 {
		return "", fmt.Errorf("the certificate that ends at %s was replaced by one that ends at %s", replaced.NotAfter, renewed.NotAfter)
	}
	return fmt.Sprintf("renewed with %s of %s left; %s", left, shortLife, counts(report)), report.Err()
}

// life is how long a certificate is good for, without the minute that it is dated back.
func life(cert *x509.Certificate) time.Duration {
	return cert.NotAfter.Sub(cert.NotBefore) - time.Minute
}

// next waits until cart-1 shows another certificate.
func (d *demo) next(ctx context.Context, old *x509.Certificate) (*x509.Certificate, error) {
	var shown *x509.Certificate
	err := until(ctx, "cart-1 shows a new certificate", func() (err error) {
		if shown, err = d.shown(ctx); err == nil && shown.Equal(old) {
			err = errors.New("it is still the old one")
		}
		return err
	})
	return shown, err
}

// shown returns the certificate that cart-1's sidecar shows.
func (d *demo) shown(ctx context.Context) (*x509.Certificate, error) {
	forger, err := d.mesh.Forger()
	if err != nil {
		return nil, err
	}
	config, err := forger.Client(identityOf+"frontend", protocols...)
	if err != nil {
		return nil, err
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", cart1.sidecar())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return nil, fmt.Errorf("a connection of type %T", conn)
	}
	return secured.ConnectionState().PeerCertificates[0], nil
}
