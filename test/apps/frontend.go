package apps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// callTimeout is how long the frontend waits for a service.
const callTimeout = 3 * time.Second

// FrontendConfig says what Frontend serves and whom it calls.
type FrontendConfig struct {
	// Listen is the address, such as "127.0.0.1:8080".
	Listen string
	// Instance is the name that it answers with.
	Instance string
	// Cart and Payments are the URLs of the HTTP services, Catalog is the
	// address of the gRPC service: the listeners of its sidecar.
	Cart, Payments, Catalog string
}

// Frontend is an HTTP service that calls others: / calls the cart and the
// catalog, /cart, /catalog and /payments call one each. What fails behind it is
// 502 with the reason. It runs until ctx ends.
func Frontend(ctx context.Context, cfg FrontendConfig) error {
	// The name is for the host header only: the address is a local one.
	conn, err := grpc.NewClient("passthrough:///"+cfg.Catalog, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("catalog.shop"), grpc.WithDisableRetry())
	if err != nil {
		return fmt.Errorf("the catalog: %w", err)
	}
	f := &frontend{cfg: cfg, catalog: conn, client: &http.Client{Timeout: callTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	err = serveHTTP(ctx, cfg.Listen, f.handler())
	f.client.CloseIdleConnections()
	return errors.Join(err, conn.Close())
}

type frontend struct {
	cfg     FrontendConfig
	catalog *grpc.ClientConn
	client  *http.Client
}

// call calls one service.
type call func(ctx context.Context) (Answer, error)

func (f *frontend) handler() http.Handler {
	cart := func(ctx context.Context) (Answer, error) { return f.post(ctx, f.cfg.Cart) }
	payments := func(ctx context.Context) (Answer, error) { return f.post(ctx, f.cfg.Payments) }
	catalog := func(ctx context.Context) (Answer, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return askPrice(ctx, f.catalog)
	}
	mux := http.NewServeMux()
	mux.Handle("/{$}", f.page(cart, catalog))
	mux.Handle("/cart", f.page(cart))
	mux.Handle("/catalog", f.page(catalog))
	mux.Handle("/payments", f.page(payments))
	return mux
}

func (f *frontend) page(calls ...call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := answer(f.cfg.Instance, r.Header.Values(headerClientCert))
		for _, call := range calls {
			a, err := call(r.Context())
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			seen.Calls = append(seen.Calls, a)
		}
		reply(w, seen)
	})
}

// post calls an HTTP service with a body that cannot be read twice: net/http
// must not hide a failure by calling again.
func (f *frontend) post(ctx context.Context, url string) (Answer, error) {
	body := "once"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		return Answer{}, err
	}
	req.ContentLength = int64(len(body))
	resp, err := f.client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return Answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("%s: %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	var seen Answer
	return seen, json.Unmarshal(text, &seen)
}
