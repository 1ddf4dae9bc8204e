//go:build linux

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The kinds of programs.
const (
	programHTTP  = "http"
	programGreet = "greet"
)

// callLimit is how long a program waits for another one.
const callLimit = 5 * time.Second

// Program is what runs in a pod, until ctx ends: args are its kind, the address on which it listens, and for HTTP the
// URLs that it calls for each request.
func Program(ctx context.Context, name string, args []string) error {
	if len(args) < 2 {
		return errors.New("a program needs a kind and an address")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", args[1])
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	switch args[0] {
	case programHTTP:
		server := &http.Server{Handler: page{name: name, calls: args[2:]}, ReadHeaderTimeout: callLimit}
		err = server.Serve(listener)
	case programGreet:
		err = serveGreetings(listener, name)
	default:
		return fmt.Errorf("no program is of kind %q", args[0])
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// page answers each request with a line about who called, and the answers of the URLs that it calls for it.
type page struct {
	name  string
	calls []string
}

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	fmt.Fprintf(w, "%s was called by %s\n", p.name, caller(r.Header.Get("x-forwarded-client-cert"), host))
	for _, url := range p.calls {
		if err := forward(r.Context(), w, url); err != nil {
			fmt.Fprintf(w, "%s called %s: %v\n", p.name, url, err)
		}
	}
}

// caller says who a client is: its identity, which its proxy proved, else its address.
func caller(clientCert, host string) string {
	for field := range strings.SplitSeq(clientCert, ";") {
		if id, ok := strings.CutPrefix(field, "URI="); ok {
			return id + ", by mTLS"
		}
	}
	return host + ", in plain text"
}

// forward copies the answer of another program.
func forward(ctx context.Context, w io.Writer, url string) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, io.LimitReader(resp.Body, 64<<10))
	return err
}

// serveGreetings speaks first, and says every line back.
func serveGreetings(listener net.Listener, name string) error {
	var tasks sync.WaitGroup
	var open sync.Map
	for {
		conn, err := listener.Accept()
		if err != nil {
			open.Range(func(conn, _ any) bool { return conn.(net.Conn).Close() == nil || true })
			tasks.Wait()
			return err
		}
		open.Store(conn, nil)
		tasks.Go(func() {
			defer open.Delete(conn)
			defer conn.Close()
			fmt.Fprintf(conn, "%s is ready, say something\n", name)
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				fmt.Fprintf(conn, "%s heard: %s\n", name, lines.Text())
			}
		})
	}
}
