package debug

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotFound says that the server does not know what was asked for.
var ErrNotFound = errors.New("not found")

// maxAnswer bounds what a client reads.
const maxAnswer = 1 << 30

const (
	// peerIdle is how long a connection between replicas is kept, peerDial how long one may take to be made.
	peerIdle = time.Minute
	peerDial = 2 * time.Second
)

// Client asks a server, over its debug socket or as another replica.
type Client struct {
	http *http.Client
	base string
	// where names the server in errors.
	where string
}

// NewClient returns a client of the server whose sockets stand in a folder.
func NewClient(dir string) *Client {
	path := filepath.Join(dir, SocketName)
	var dialer net.Dialer
	return &Client{where: "debug socket " + path, base: "http://outrigger", http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}}
}

// NewPeerClient returns a client of what a replica at an address, HOST:PORT, serves to others. Close must be called.
func NewPeerClient(address string, config *tls.Config) *Client {
	dialer := net.Dialer{Timeout: peerDial}
	return &Client{where: "replica at " + address, base: "https://" + address, http: &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: peerDial, TLSClientConfig: config, ForceAttemptHTTP2: true, IdleConnTimeout: peerIdle,
	}}}
}

// Close gives back idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Proxies returns every workload with a sidecar.
func (c *Client) Proxies(ctx context.Context) ([]Proxy, error) {
	var answer Proxies
	err := c.Get(ctx, "/proxies", &answer)
	return answer.Proxies, err
}

// Proxy returns one of them; name is "<namespace>/<workload>". The error wraps ErrNotFound when there is none.
func (c *Client) Proxy(ctx context.Context, name string) (Proxy, error) {
	var answer Proxy
	err := c.Get(ctx, "/proxies/"+ProxyPath(name), &answer)
	return answer, err
}

// Report returns how far the server's own streams are.
func (c *Client) Report(ctx context.Context) (Report, error) {
	var answer Report
	err := c.Get(ctx, "/report", &answer)
	return answer, err
}

// ProxyPath is the name of a proxy as a part of a path.
func ProxyPath(name string) string {
	namespace, workload, _ := strings.Cut(name, "/")
	return url.PathEscape(namespace) + "/" + url.PathEscape(workload)
}

// Get reads one view. The error is that of Read.
func (c *Client) Get(ctx context.Context, path string, answer any) error {
	body, err := c.Read(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s: %w", c.where, err)
	}
	return nil
}

// Read returns what stands at a path, in whatever form. The error is a *net.OpError when no server answers, and wraps ErrNotFound
// when there is nothing.
func (c *Client) Read(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			return nil, fmt.Errorf("%s: %w", c.where, op)
		}
		return nil, fmt.Errorf("%s: %w", c.where, err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", c.where, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, failed(response.StatusCode, body)
	}
	return body, nil
}

func failed(code int, body []byte) error {
	var told failure
	if err := json.Unmarshal(body, &told); err != nil || told.Error == "" {
		told.Error = http.StatusText(code)
	}
	if code == http.StatusNotFound {
		return fmt.Errorf("%s: %w", told.Error, ErrNotFound)
	}
	return fmt.Errorf("the server answered %d: %s", code, told.Error)
}
