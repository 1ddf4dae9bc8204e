package server

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	stockcache "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// sotwStock is go-control-plane's server in the state-of-the-world form.
type sotwStock struct {
	*stock
	stream discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	named  bool

	mu    sync.Mutex
	inbox []*discovery.DiscoveryResponse
	err   error
}

func newSotwStock(t *testing.T, text string) *sotwStock {
	t.Helper()
	return &sotwStock{stock: newStock(t, text, false)}
}

func (s *sotwStock) connect([]string) error {
	if s.stream != nil {
		_ = s.stream.CloseSend()
	}
	stream := sotwStream(s.t, s.mesh, "token-of-web")
	s.mu.Lock()
	s.stream, s.named, s.inbox, s.err = stream, false, nil, nil
	s.mu.Unlock()
	go func() {
		for {
			r, err := stream.Recv()
			if s.keep(stream, r, err); err != nil {
				return
			}
		}
	}()
	return nil
}

// keep notes what came on the present stream.
func (s *sotwStock) keep(from any, r *discovery.DiscoveryResponse, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case from != any(s.stream):
	case err != nil:
		s.err = err
	default:
		s.inbox = append(s.inbox, r)
	}
}

func (s *sotwStock) deliver(r *discovery.DiscoveryRequest) error {
	if !s.named {
		r.Node = envoyNode("shop/web", "shop/web")
		s.named = true
	}
	_ = s.stream.Send(r) // The end of the stream is seen where it is read.
	synctest.Wait()
	return nil
}

func (s *sotwStock) take() []*discovery.DiscoveryResponse {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	came := s.inbox
	s.inbox = nil
	// It is chance in which order types come that change together.
	slices.SortStableFunc(came, func(a, b *discovery.DiscoveryResponse) int {
		s, _ := cache.TypeOf(a.TypeUrl)
		t, _ := cache.TypeOf(b.TypeUrl)
		return int(s) - int(t)
	})
	return came
}

func (s *sotwStock) ended() error {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return status.Convert(s.err).Err()
}

func (*sotwStock) advance(d time.Duration) { advance(d) }

// describe lists in order: the server does not.
func (s *sotwStock) describe(r *discovery.DiscoveryResponse) []string {
	var out []string
	for _, res := range r.Resources {
		message, err := res.UnmarshalNew()
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, stockcache.GetResourceName(message)+"@"+s.plain(&discovery.Resource{Resource: res}))
	}
	slices.Sort(out)
	return out
}

func (*sotwStock) faultOf(r *discovery.DiscoveryResponse) string {
	if r.Nonce == "" || r.VersionInfo == "" {
		return "no nonce or no version"
	}
	return ""
}
