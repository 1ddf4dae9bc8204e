package debug

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

// ErrNotFound says that the server does not know what was asked for.
var ErrNotFound = errors.New("not found")

// maxAnswer bounds what a client reads.
const maxAnswer = 1 << 30

// Client asks a server over its debug socket.
type Client struct {
	http *http.Client
	path string
}

// NewClient returns a client of the server that uses a data folder.
func NewClient(dir string) *Client {
	path := filepath.Join(dir, SocketName)
	var dialer net.Dialer
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}}
}

// Proxies returns every workload with a sidecar.
func (c *Client) Proxies(ctx context.Context) ([]Proxy, error) {
	var answer Proxies
	err := c.get(ctx, "/proxies", &answer)
	return answer.Proxies, err
}

// Proxy returns one of them; name is "<namespace>/<workload>". The error wraps ErrNotFound when there is none.
func (c *Client) Proxy(ctx context.Context, name string) (Proxy, error) {
	namespace, workload, _ := strings.Cut(name, "/")
	var answer Proxy
	err := c.get(ctx, "/proxies/"+url.PathEscape(namespace)+"/"+url.PathEscape(workload), &answer)
	return answer, err
}

// get reads one view. The error is a *net.OpError when no server answers.
func (c *Client) get(ctx context.Context, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://outrigger"+path, nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			return fmt.Errorf("debug socket %s: %w", c.path, op)
		}
		return fmt.Errorf("debug socket %s: %w", c.path, err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("debug socket %s: %w", c.path, err)
	}
	if response.StatusCode != http.StatusOK {
		return failed(response.StatusCode, body)
	}
	return json.Unmarshal(body, answer)
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
