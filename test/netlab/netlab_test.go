package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/test/netlab"
	"outrigger.dev/outrigger/test/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upLimit is how long ten pods may take to be reachable, on a machine that does other things too.
const upLimit = time.Second

func TestPodsReachEachOtherWithinASecond(t *testing.T) {
	netlab.NeedRoot(t)
	began := time.Now()
	lab := netlab.New(t)
	all := []*netlab.Pod{lab.Node}
	for i := range 10 {
		all = append(all, lab.Pod(t, fmt.Sprintf("pod-%d", i)))
	}
	first, last := all[1], all[len(all)-1]
	for _, from := range []*netlab.Pod{lab.Node, first} {
		for _, to := range []netip.Addr{last.IPv4, last.IPv6} {
			if got := greet(t, from, last, to); got != hostOf(from, to) {
				t.Errorf("%s came to %s as %s", from.Name, to, got)
			}
		}
	}
	if took := time.Since(began); took > upLimit {
		t.Errorf("ten pods took %s to be reachable, want %s at most", took, upLimit)
	}
}

// hostOf is the address of a pod in the family of another address.
func hostOf(p *netlab.Pod, like netip.Addr) string {
	if like.Is4() {
		return p.IPv4.String()
	}
	return p.IPv6.String()
}

// greet connects to a listener of a pod, which answers with the address that it saw.
func greet(t *testing.T, from, to *netlab.Pod, address netip.Addr) string {
	t.Helper()
	listener, err := to.Listen(t.Context(), "tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		fmt.Fprint(conn, host)
		conn.Close()
	}()
	conn, err := from.Dial(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	<-done
	return string(text)
}

func TestNobodyIsReachedOutside(t *testing.T) {
	lab := netlab.New(t)
	pod := lab.Pod(t, "pod")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80"} {
		_, err := pod.Dial(ctx, "tcp", address)
		if !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("%s: error %v, want that it cannot be reached", address, err)
		}
	}
}

func TestProcessRunsInItsPodAsItsUser(t *testing.T) {
	lab := netlab.New(t)
	pod := lab.Pod(t, "pod")
	var want string
	if err := pod.Do(func() (err error) {
		want, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	p, err := process.Start(t.Context(), process.Config{
		Path: "/bin/sh", Args: []string{"-c", "id -u; id -g; readlink /proc/self/ns/net"}, Dir: "/", Log: log, Place: pod.Place(1337),
	})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if said := strings.Fields(p.Logs()); len(said) != 3 || said[0] != "1337" || said[1] != "1337" || said[2] != want {
		t.Errorf("it ran as %v, want user and group 1337 in %s", said, want)
	}
}

// The kernel's table of connections names the user.
func TestDialAsIsTheUsersConnection(t *testing.T) {
	lab := netlab.New(t)
	pod := lab.Pod(t, "pod")
	listener, err := pod.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := pod.DialAs(t.Context(), 4711, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var table []byte
	if err := pod.Do(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/tcp")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(table), " 4711 ") {
		t.Errorf("no connection is of user 4711:\n%s", table)
	}
}
