package replica

import (
	"context"
	"errors"
	"net"

	"outrigger.dev/outrigger/xds/debug"
)

// Client asks one of the servers of a data folder for what all replicas say.
type Client struct {
	dataDir string
}

// NewClient returns a client of the servers of a data folder.
func NewClient(dataDir string) *Client { return &Client{dataDir: dataDir} }

// Report returns how far the proxies of all replicas are. With standing it also says what the source has now.
func (c *Client) Report(ctx context.Context, standing bool) ([]Answer, error) {
	path := "/replicas/report"
	if standing {
		path += "?standing"
	}
	var answers Answers
	err := c.get(ctx, path, &answers)
	return answers.Replicas, err
}

// Proxies returns the proxies of all replicas.
func (c *Client) Proxies(ctx context.Context) (Proxies, error) {
	var proxies Proxies
	err := c.get(ctx, "/replicas/proxies", &proxies)
	return proxies, err
}

// Proxy returns one of them; name is "<namespace>/<workload>". The error wraps debug.ErrNotFound when there is none.
func (c *Client) Proxy(ctx context.Context, name string) (debug.Proxy, error) {
	var proxy debug.Proxy
	err := c.get(ctx, "/replicas/proxies/"+debug.ProxyPath(name), &proxy)
	return proxy, err
}

// Sources returns how the sources of the first server that answers are; every replica watches for itself.
func (c *Client) Sources(ctx context.Context) ([]debug.Source, error) {
	var answer debug.Sources
	err := c.get(ctx, "/sources", &answer)
	return answer.Sources, err
}

// get asks the first server that answers. The error is that of the first place, a *net.OpError when no server answers.
func (c *Client) get(ctx context.Context, path string, answer any) error {
	first := debug.NewClient(c.dataDir).Get(ctx, path, answer)
	if !unreachable(first) {
		return first
	}
	places, err := Places(c.dataDir)
	if err != nil {
		return errors.Join(first, err)
	}
	for _, place := range places {
		if place.Name == Main {
			continue
		}
		if err := place.client().Get(ctx, path, answer); !unreachable(err) {
			return err
		}
	}
	return first
}

func unreachable(err error) bool {
	_, is := errors.AsType[*net.OpError](err)
	return is
}
