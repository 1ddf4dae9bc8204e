package apps

import (
	"context"
	"encoding/json"
	"net/http"
)

// CartConfig says what Cart serves.
type CartConfig struct {
	// Listen is the address, such as "127.0.0.1:8080".
	Listen string
	// Instance is the name that it answers with.
	Instance string
}

// Cart is an HTTP service with a single page. It runs until ctx ends and then
// lets the requests under way end.
func Cart(ctx context.Context, cfg CartConfig) error {
	return serveHTTP(ctx, cfg.Listen, cartHandler(cfg.Instance))
}

func cartHandler(instance string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply(w, answer(instance, r.Header.Values(headerClientCert)))
	})
}

func reply(w http.ResponseWriter, a Answer) {
	w.Header().Set("content-type", "application/json")
	// Whoever asked may have gone: there is nobody to tell.
	_ = json.NewEncoder(w).Encode(a)
}
