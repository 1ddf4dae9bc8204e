package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/test/bench/adsclient"
	"outrigger.dev/outrigger/xds/server"
)

const trustDomain = "cluster.local"

// starter starts one kind of server on the mesh in <dir>/mesh.
type starter struct {
	name string
	// light asks for few changes where all see them, of a server that takes seconds for each.
	light bool
	run   func(ctx context.Context, o options, dir string) (*target, error)
	// floors is there in place of run where there is no mesh to serve.
	floors func(ctx context.Context, o options, dir string) ([]floor, error)
	// rude is there in place of run where well-behaved clients are measured beside rude ones.
	rude func(ctx context.Context, o options, dir string) (*rudeResult, error)
	// rolling is there in place of run where replicas are restarted one after another.
	rolling func(ctx context.Context, o options, dir string) (*rollingResult, error)
	// open is there in place of run where a real registry is watched; large ones are measured of those that are filled in minutes.
	open  opener
	large bool
}

func starters(o options) ([]starter, error) {
	known := []starter{
		{name: "outrigger", run: startOutrigger},
		{name: "SnapshotCache", light: true, run: startStock},
		{name: "floor", floors: measureFloors},
		{name: "rude", rude: measureRude},
		{name: "replicas", rolling: measureRolling},
		{name: "kubernetes", open: openKube, large: true},
		{name: "consul", open: openConsul},
	}
	var chosen []starter
	for name := range strings.SplitSeq(o.servers, ",") {
		i := slices.IndexFunc(known, func(s starter) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-servers: there is no %q; there are outrigger, SnapshotCache, floor, rude, replicas, kubernetes and consul", name)
		}
		chosen = append(chosen, known[i])
	}
	return chosen, nil
}

func startOutrigger(ctx context.Context, o options, dir string) (*target, error) {
	p, at, err := startServer(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	configs, err := clientConfigs(ctx, o, dir, at.xds)
	if err = errors.Join(err, awaitReady(ctx, at.metrics)); err != nil { // Reading the folder is no part of a first connection.
		return nil, errors.Join(err, p.stop(ctx))
	}
	return &target{process: p, fleet: newFleet(configs, p), dir: dir, address: at.xds, metrics: at.metrics}, nil
}

// serverAt is where a server of ours listens.
type serverAt struct{ xds, metrics string }

// startServer starts a server of ours on the mesh of a folder, with further arguments, and waits until it listens.
func startServer(ctx context.Context, o options, dir string, args ...string) (*process, serverAt, error) {
	var at serverAt
	var err error
	if at.xds, err = freeAddress(ctx); err != nil {
		return nil, at, err
	}
	if at.metrics, err = freeAddress(ctx); err != nil {
		return nil, at, err
	}
	args = append([]string{
		"server", "--config-dir", dir + "/mesh", "--data-dir", dir + "/data",
		"--xds-listen", at.xds, "--metrics-listen", at.metrics, "--log-level", "warn",
		"--max-streams", fmt.Sprint(max(o.streams, server.DefaultStreams)),
	}, args...)
	_, port, err := net.SplitHostPort(at.xds)
	if err != nil {
		return nil, at, err
	}
	p, err := start(ctx, dir+"/log-"+port, o.outrigger, args...)
	if err != nil {
		return nil, at, err
	}
	if err := waitFor(ctx, p, at.xds); err != nil {
		return nil, at, errors.Join(err, p.stop(ctx))
	}
	return p, at, nil
}

func startStock(ctx context.Context, o options, dir string) (*target, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("own path: %w", err)
	}
	p, err := start(ctx, dir+"/log", self, stockCommand, dir, address, fmt.Sprint(o.streams), fmt.Sprint(o.mesh("").groups()))
	if err != nil {
		return nil, err
	}
	if err := waitFor(ctx, p, address); err != nil {
		return nil, errors.Join(err, p.stop(ctx))
	}
	configs, err := clientConfigs(ctx, o, dir, address)
	if err != nil {
		return nil, errors.Join(err, p.stop(ctx))
	}
	return &target{process: p, fleet: newFleet(configs, p), dir: dir, address: address}, nil
}

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func waitFor(ctx context.Context, p *process, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-p.exit:
			return fmt.Errorf("the server ended: %w; its log is %s", err, p.logs)
		case <-ctx.Done():
			return fmt.Errorf("the server does not listen; its log is %s: %w", p.logs, err)
		case <-ticker.C:
		}
	}
}

// clientConfigs gives every client of the mesh its token.
func clientConfigs(ctx context.Context, o options, dir, address string) ([]adsclient.Config, error) {
	config, err := clientTLS(dir + "/data")
	if err != nil {
		return nil, err
	}
	signer, err := certs.NewTokenSigner(certs.TokenConfig{Dir: dir + "/data", TrustDomain: trustDomain})
	if err != nil {
		return nil, err
	}
	configs := make([]adsclient.Config, o.streams)
	var link *adsclient.Link
	for i := range configs {
		if i%max(1, o.perConnection) == 0 {
			link = &adsclient.Link{}
		}
		request := certs.TokenRequest{Namespace: namespace, ServiceAccount: "client", Workload: clientName(i)}
		token, _, err := signer.Sign(ctx, request)
		if err != nil {
			return nil, err
		}
		configs[i] = adsclient.Config{
			Address: address, Token: token.Reveal(), Node: namespace + "/" + clientName(i), Cluster: namespace + "/client", TLS: config,
			Link: link,
		}
	}
	return configs, nil
}

// clientTLS trusts the authority of a data folder.
func clientTLS(data string) (*tls.Config, error) {
	roots, _, err := certs.ReadRoots(data)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: "outrigger", NextProtos: []string{"h2"},
		// As Envoy 1.40: records are as long as what is written, and these curves are offered.
		DynamicRecordSizingDisabled: true, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
	}, nil
}
