package replica

import (
	"encoding/json"
	"errors"
	"net/http"

	"outrigger.dev/outrigger/xds/debug"
)

// Handler serves what all replicas say together, and leaves every other path to next:
//
//	GET /replicas/report                       how far each open stream of each replica is; ?standing
//	GET /replicas/proxies                      every workload with a sidecar
//	GET /replicas/proxies/NAMESPACE/WORKLOAD   one of them
func (p *Peers) Handler(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /replicas/report", func(w http.ResponseWriter, r *http.Request) {
		respond(w, http.StatusOK, Answers{Replicas: p.Ask(r.Context(), r.URL.Query().Has("standing"))})
	})
	mux.HandleFunc("GET /replicas/proxies", func(w http.ResponseWriter, r *http.Request) {
		respond(w, http.StatusOK, p.Proxies(r.Context()))
	})
	mux.HandleFunc("GET /replicas/proxies/{namespace}/{workload}", p.serveProxy)
	return mux
}

func (p *Peers) serveProxy(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("namespace") + "/" + r.PathValue("workload")
	proxy, err := p.Proxy(r.Context(), name)
	switch {
	case errors.Is(err, debug.ErrNotFound):
		respond(w, http.StatusNotFound, failure{"there is no workload " + name + " with a sidecar"})
	case err != nil:
		respond(w, http.StatusBadGateway, failure{err.Error()})
	default:
		respond(w, http.StatusOK, proxy)
	}
}

// failure is the answer where there is none.
type failure struct {
	Error string `json:"error"`
}

func respond(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// Who asked may be gone, which is nobody's error.
	_ = json.NewEncoder(w).Encode(value)
}
