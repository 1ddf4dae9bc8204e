package debug

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"strconv"
)

// Handler serves the debug views as JSON:
//
//	GET /proxies                      every workload with a sidecar
//	GET /proxies/NAMESPACE/WORKLOAD   one of them, with all that its view holds
//	GET /report                       how far each open stream is; ?standing
//	GET /resources                    what each view holds; ?proxy=NAME ?type=TYPE ?name=NAME ?bodies=false
//	GET /scopes                       the sets of services that proxies see
//	GET /sources                      how the sources of the mesh are, and what is held of them
//	GET /problems                     what is wrong with what users wrote
//	GET /debug/pprof/                 Go's profiles
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	s.addShared(mux)
	mux.HandleFunc("GET /resources", s.serveResources)
	mux.HandleFunc("GET /scopes", s.serveScopes)
	mux.HandleFunc("GET /sources", s.serveSources)
	mux.HandleFunc("GET /problems", s.serveProblems)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// PeerHandler serves what other replicas may ask: /proxies, one of them, and /report. It changes nothing.
func (s *Service) PeerHandler() http.Handler {
	mux := http.NewServeMux()
	s.addShared(mux)
	return mux
}

func (s *Service) addShared(mux *http.ServeMux) {
	mux.HandleFunc("GET /proxies", s.serveProxies)
	mux.HandleFunc("GET /proxies/{namespace}/{workload}", s.serveProxy)
	mux.HandleFunc("GET /report", s.serveReport)
}

// Proxies is the answer of /proxies.
type Proxies struct {
	Proxies []Proxy `json:"proxies"`
}

// Resources is the answer of /resources.
type Resources struct {
	Views []View `json:"views"`
}

// Scopes is the answer of /scopes.
type Scopes struct {
	Scopes []Scope `json:"scopes"`
}

// Sources is the answer of /sources.
type Sources struct {
	Sources []Source `json:"sources"`
}

// Problems is the answer of /problems.
type Problems struct {
	Problems []Problem `json:"problems"`
}

// failure is the answer where there is none.
type failure struct {
	Error string `json:"error"`
}

func (s *Service) serveProxies(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, Proxies{Proxies: s.Proxies(r.Context())})
}

func (s *Service) serveProxy(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("namespace") + "/" + r.PathValue("workload")
	proxy, ok := s.Proxy(r.Context(), name)
	if !ok {
		respond(w, http.StatusNotFound, failure{"there is no workload " + name + " with a sidecar"})
		return
	}
	respond(w, http.StatusOK, proxy)
}

func (s *Service) serveReport(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, s.Report(r.Context(), r.URL.Query().Has("standing")))
}

func (s *Service) serveResources(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	filter := resourceFilter{typ: query.Get("type"), name: query.Get("name"), bodies: true}
	if text := query.Get("bodies"); text != "" {
		var err error
		if filter.bodies, err = strconv.ParseBool(text); err != nil {
			respond(w, http.StatusBadRequest, failure{"bodies: want true or false"})
			return
		}
	}
	infos, ok := s.viewsOf(query.Get("proxy"))
	if !ok {
		respond(w, http.StatusNotFound, failure{"there is no workload " + query.Get("proxy") + " with a sidecar"})
		return
	}
	dump := Resources{Views: []View{}}
	for _, info := range infos {
		view, err := dumpView(info, filter)
		if err != nil {
			respond(w, http.StatusInternalServerError, failure{err.Error()})
			return
		}
		dump.Views = append(dump.Views, view)
	}
	respond(w, http.StatusOK, dump)
}

func (s *Service) serveScopes(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, Scopes{Scopes: scopesOf(s.store.Views())})
}

func (s *Service) serveSources(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, Sources{Sources: append([]Source{}, s.sources()...)})
}

func (s *Service) serveProblems(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, Problems{Problems: append([]Problem{}, s.problems()...)})
}

func respond(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// Who asked may be gone, which is nobody's error.
	_ = json.NewEncoder(w).Encode(value)
}
