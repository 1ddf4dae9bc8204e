package consul

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

const (
	// maxBody bounds an answer: some 100,000 instances of one service.
	maxBody = 256 << 20
	// maxErrorBody is how much of an error's text is kept.
	maxErrorBody = 200
	// maxRetryAfter bounds how long a server may ask to wait.
	maxRetryAfter = time.Minute
	// keptBuffer is the largest buffer that is kept for the next answer.
	keptBuffer = 1 << 20
)

// consistency is how sure an answer has to be.
type consistency uint8

const (
	// stale: any server answers.
	stale consistency = iota
	// leading: the leader answers.
	leading
	// confirmed: the leader answers after it made sure that it still is.
	confirmed
)

// request is one read.
type request struct {
	// path is not escaped.
	path string
	peer string
	// index is what the answer waits to be passed; 0 asks for one at once.
	index uint64
	wait  time.Duration
	// home asks the server's own datacenter, whichever is configured.
	home bool
	consistency
}

// client makes requests. It may be used from any goroutine.
type client struct {
	config   *Config
	base     *url.URL
	accesses *accesses
	buffers  sync.Pool
}

// get makes a request and gives the body to read, which must not keep it. An error names a reason (troubleError), save that
// of ctx. It ends early with errReplaced when the token is replaced meanwhile.
func (c *client) get(ctx context.Context, r request, read func(a *answer, body []byte) error) (*answer, error) {
	access, err := c.accesses.get()
	if err != nil {
		return nil, err
	}
	queryCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer access.replaced.add(func() { cancel(errReplaced) })()
	limited, done := context.WithTimeout(queryCtx, c.config.Timeout+r.wait+r.wait/16)
	defer done()
	a, err := c.do(limited, access, r, read)
	switch {
	case err == nil:
		return a, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(context.Cause(queryCtx), errReplaced):
		return nil, errReplaced
	}
	return nil, err
}

// errReplaced says that a query was ended because there is another token.
var errReplaced = errors.New("the token was replaced")

func (c *client) do(ctx context.Context, access *access, r request, read func(a *answer, body []byte) error) (*answer, error) {
	httpRequest, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(r), nil)
	if err != nil {
		return nil, trouble(reasonUnreachable, err)
	}
	if text := access.token.Reveal(); text != "" {
		httpRequest.Header.Set(headerToken, text)
	}
	resp, err := access.transport.RoundTrip(httpRequest)
	if err != nil {
		return nil, trouble(reasonUnreachable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return nil, readStatus(resp, text)
	}
	return c.read(resp, read)
}

// read takes the body of a good answer.
func (c *client) read(resp *http.Response, read func(a *answer, body []byte) error) (*answer, error) {
	a, err := readHeaders(resp)
	if err != nil {
		return nil, trouble(reasonBadAnswer, err)
	}
	buffer := c.buffer()
	defer c.keep(buffer)
	if n, err := buffer.ReadFrom(io.LimitReader(resp.Body, maxBody+1)); err != nil {
		return nil, trouble(reasonUnreachable, fmt.Errorf("the answer ends early: %w", err))
	} else if n > maxBody {
		return nil, trouble(reasonBadAnswer, fmt.Errorf("the answer has more than %d bytes", maxBody))
	}
	a.readAt = c.config.Clock()
	a.digest = xxhash.Sum64(buffer.Bytes())
	if err := read(a, buffer.Bytes()); err != nil {
		return nil, trouble(reasonBadAnswer, err)
	}
	return a, nil
}

func (c *client) buffer() *bytes.Buffer {
	if buffer, ok := c.buffers.Get().(*bytes.Buffer); ok {
		return buffer
	}
	return new(bytes.Buffer)
}

func (c *client) keep(buffer *bytes.Buffer) {
	if buffer.Cap() <= keptBuffer {
		buffer.Reset()
		c.buffers.Put(buffer)
	}
}

// url spells a request.
func (c *client) url(r request) string {
	target := *c.base
	target.Path += r.path
	params := make(url.Values)
	for key, value := range map[string]string{
		"dc": c.config.Datacenter, "ns": c.config.Namespace, "partition": c.config.Partition, "peer": r.peer,
	} {
		if value != "" && (key != "dc" || !r.home) {
			params.Set(key, value)
		}
	}
	switch r.consistency {
	case stale:
		params.Set("stale", "")
	case confirmed:
		params.Set("consistent", "")
	case leading:
	}
	if r.index > 0 {
		params.Set("index", strconv.FormatUint(r.index, 10))
		params.Set("wait", strconv.FormatInt(max(r.wait.Milliseconds(), 1), 10)+"ms")
	}
	target.RawQuery = params.Encode()
	return target.String()
}
