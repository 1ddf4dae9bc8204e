package proxyless

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

// caller calls again and again until it is stopped.
type caller struct {
	calls  atomic.Int64
	failed atomic.Pointer[error]
	stop   context.CancelFunc
	work   sync.WaitGroup
}

func keepCalling(t *testing.T, conn *grpc.ClientConn) *caller {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c := &caller{stop: cancel}
	c.work.Go(func() {
		for ctx.Err() == nil {
			if _, err := call(ctx, conn); err != nil && ctx.Err() == nil {
				c.failed.CompareAndSwap(nil, &err)
			}
			c.calls.Add(1)
		}
	})
	t.Cleanup(c.end)
	return c
}

func (c *caller) end() {
	c.stop()
	c.work.Wait()
}

// check ends the calls, and fails the test if one failed.
func (c *caller) check(t *testing.T) {
	t.Helper()
	c.end()
	if err := c.failed.Load(); err != nil {
		t.Errorf("a call failed, of %d: %v", c.calls.Load(), *err)
	}
	if c.calls.Load() < 100 {
		t.Errorf("%d calls only", c.calls.Load())
	}
}

// TestEndpointsMoveWithoutAFailedCall: a service moves from a program to another of another identity, behind a sidecar
// then, and back, while it is called; the control plane is killed and comes back meanwhile.
func TestEndpointsMoveWithoutAFailedCall(t *testing.T) {
	t.Parallel()
	both := workload("one", "greeter", 20, "proxyless: true") + workload("two", "greeter", 21, "proxyless: true")
	r := newRig(t, mesh.Config{}, map[string]string{
		"greeter.yaml": service("greeter"), "workloads.yaml": both,
		"dialer.yaml": workload("dialer", "dialer", 22, "proxyless: true"),
	})
	for name, host := range map[string]int{"one": 20, "two": 21} {
		bootstrap, _ := r.program(t, name)
		xdsServer(t, r.Addr(host, appPort), name, bootstrap)
	}
	dialer, _ := r.program(t, "dialer")
	conn := xdsDial(t, "greeter.test:80", dialer)
	calls := keepCalling(t, conn)
	answers := func(name string) func() error {
		return func() error {
			for range 10 {
				got, err := call(t.Context(), conn)
				if err != nil || got.instance != name {
					return fmt.Errorf("%s answers: %w", got.instance, err)
				}
			}
			return nil
		}
	}
	seen := map[string]bool{}
	rig.Eventually(t, "both answer", func() error {
		got, err := call(t.Context(), conn)
		if seen[got.instance] = true; !seen["one"] || !seen["two"] {
			return fmt.Errorf("seen %v: %w", seen, err)
		}
		return nil
	})
	r.Put(t, "workloads.yaml", workload("one", "greeter", 20, "proxyless: true")+workload("two", "gone", 21, "proxyless: true"))
	rig.Eventually(t, "one answers alone", answers("one"))
	r.KillServer()
	rig.Eventually(t, "calls go on without a control plane", answers("one"))
	if err := r.StartServer(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	r.Put(t, "workloads.yaml", both)
	r.Put(t, "workloads.yaml", workload("one", "gone", 20, "proxyless: true")+workload("two", "greeter", 21, "proxyless: true"))
	rig.Eventually(t, "two answers alone", answers("two"))
	calls.check(t)
	r.settled(t, "one", "two", "dialer")
}

// TestCertificatesAreRenewed: the files are replaced before a certificate ends, and new connections use the new one.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	r := newRig(t, mesh.Config{IdentityTTL: 10 * time.Second}, map[string]string{"mesh.yaml": service("greeter") +
		workload("greeter", "greeter", 20, "proxyless: true") + workload("dialer", "dialer", 22, "proxyless: true")})
	_, dir := r.program(t, "greeter")
	before, err := leafIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "another certificate", func() error {
		now, err := leafIn(dir)
		if err != nil {
			return err // It was replaced between two reads.
		}
		if now.SerialNumber.Cmp(before.SerialNumber) == 0 {
			return fmt.Errorf("it is still that of %s", now.NotBefore)
		}
		if time.Now().After(before.NotAfter) {
			t.Fatalf("the first ended at %s", before.NotAfter)
		}
		return nil
	})
	if uri := before.URIs[0].String(); uri != rig.Identities+"greeter" {
		t.Errorf("identity %s", uri)
	}
}

// leafIn reads certificate and key as gRPC does.
func leafIn(dir string) (*x509.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	return pair.Leaf, nil
}
