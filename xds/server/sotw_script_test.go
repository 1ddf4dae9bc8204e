package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// TestSotwScripts runs protocol scripts of the state-of-the-world form against its state machine, through the bytes of
// the wire. One file is one rule. A script is lines of
//
//	# a comment
//	publish                    and below it, indented, what changes at once, as in the other scripts
//	connect [unsynced]         opens a stream; the client keeps its names and versions
//	request TYPE NAME... [version=V] [nonce=N]   says all names that the client wants; version and nonce are, unless
//	                           given, those of the last response that was acknowledged, and of the last one
//	again TYPE                 the first request of a type after a reconnect, with names and version kept
//	ack TYPE [NAME...] | nack TYPE TEXT          answers the last response
//	expect TYPE NAME@VERSION   the next response is exactly this, in order
//	nothing                    no response was made
//	advance DURATION           calls the timer at each deadline on the way
//	settled | unsettled        the last publication is settled, or not
//	refused N                  so many refusals were reported
//	parked TYPE NAME@VERSION over VERSION
//	synced | drain
//	end TEXT                   the stream was ended so
func TestSotwScripts(t *testing.T) {
	t.Parallel()
	for name, text := range readScripts(t, "testdata/sotw") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSotwScript(newSotwOwn(text), func(d difference) { t.Fatal(d) })
			s.run(t, text)
		})
	}
}

// sotwSubject is a server that scripts of that form are run against.
type sotwSubject interface {
	publish(cache.Publication)
	connect(args []string) error
	deliver(*discovery.DiscoveryRequest) error
	// take returns what came since the last time, ended why the stream is over.
	take() []*discovery.DiscoveryResponse
	ended() error
	advance(time.Duration)
	// describe lists a response as scripts write it, faultOf says what is wrong with it otherwise.
	describe(*discovery.DiscoveryResponse) []string
	faultOf(*discovery.DiscoveryResponse) string
	// steer does a step that is about the server and not about the protocol; noStep where it has no such thing.
	steer(words []string) (instead string, err error)
}

// sotwScript is a script that runs.
type sotwScript struct {
	subject sotwSubject
	differs func(difference)
	inbox   []*discovery.DiscoveryResponse
	client  map[string]*sotwClient // by type URL
}

func newSotwScript(s sotwSubject, differs func(difference)) *sotwScript {
	return &sotwScript{subject: s, differs: differs, client: map[string]*sotwClient{}}
}

// sotwClient is what a client keeps of a type.
type sotwClient struct {
	names          []string
	version, nonce string
	last           *discovery.DiscoveryResponse
}

// of returns what the client keeps of a type.
func (s *sotwScript) of(url string) *sotwClient {
	c := s.client[url]
	if c == nil {
		c = &sotwClient{}
		s.client[url] = c
	}
	return c
}

// run runs a script from its beginning, a mesh with nothing but the node in it, to its end, or to a step that the server does not have.
func (s *sotwScript) run(t *testing.T, text string) {
	t.Helper()
	s.subject.publish(parsePublication([]string{"view mesh"}))
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		at, line := i+1, strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var block []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
			i++
			block = append(block, strings.TrimSpace(lines[i]))
		}
		instead, err := s.do(strings.Fields(line), block)
		if err != nil {
			t.Fatalf("line %d: %s: %v", at, line, err)
		}
		if instead != "" {
			s.differs(difference{at, line, instead})
		}
		if instead == noStep {
			return
		}
	}
}

// do does a step and returns what the server did instead, empty if it did what it should. The error is the script's own.
func (s *sotwScript) do(words, block []string) (instead string, err error) {
	args := words[1:]
	switch words[0] {
	case "publish":
		s.subject.publish(parsePublication(block))
	case "connect":
		s.inbox = nil
		for _, c := range s.client {
			c.nonce, c.last = "", nil
		}
		return "", s.subject.connect(args)
	case "request", "again", "ack", "nack":
		return "", s.send(words[0], args)
	case "expect":
		return s.expect(urlOf(args[0]), args), nil
	case "nothing":
		return s.nothing(), nil
	case "advance":
		d, err := time.ParseDuration(args[0])
		s.subject.advance(d)
		return "", err
	case "end":
		return s.end(strings.Join(args, " ")), nil
	default:
		return s.subject.steer(words)
	}
	return "", nil
}

func (s *sotwScript) receive() { s.inbox = append(s.inbox, s.subject.take()...) }

// tell lists the first responses, which no line has expected, and acknowledges them: a real client would not leave them.
func (s *sotwScript) tell(n int) string {
	var texts []string
	for _, r := range s.inbox[:n] {
		texts = append(texts, s.text(r))
		c := s.of(r.TypeUrl)
		c.last, c.nonce, c.version = r, r.Nonce, r.VersionInfo
		_ = s.subject.deliver(&discovery.DiscoveryRequest{
			TypeUrl: r.TypeUrl, ResourceNames: c.names, VersionInfo: r.VersionInfo, ResponseNonce: r.Nonce,
		})
	}
	s.inbox = s.inbox[n:]
	return strings.Join(texts, ", then ")
}

// text is a response in a script's words.
func (s *sotwScript) text(r *discovery.DiscoveryResponse) string {
	name := r.TypeUrl
	if t, ok := cache.TypeOf(r.TypeUrl); ok {
		name = t.String()
	}
	return strings.Join(append([]string{name}, s.subject.describe(r)...), " ")
}

// silence says that nothing came, and why.
func (s *sotwScript) silence() string {
	if err := s.subject.ended(); err != nil {
		return fmt.Sprintf("the stream ended: %v", err)
	}
	return "nothing"
}

func (s *sotwScript) nothing() string {
	s.receive()
	if len(s.inbox) > 0 {
		return s.tell(len(s.inbox))
	}
	if s.subject.ended() != nil {
		return s.silence()
	}
	return ""
}

func (s *sotwScript) end(want string) string {
	if err := s.subject.ended(); err != nil && strings.Contains(err.Error(), want) {
		return ""
	}
	return s.silence()
}

// expect takes the response that a line describes; for want of it, the first one of its type.
func (s *sotwScript) expect(url string, want []string) (instead string) {
	s.receive()
	text := strings.Join(want, " ")
	i := slices.IndexFunc(s.inbox, func(r *discovery.DiscoveryResponse) bool { return s.text(r) == text })
	switch {
	case i > 0:
		instead = "before it, " + s.tell(i)
	case i < 0:
		if i = slices.IndexFunc(s.inbox, func(r *discovery.DiscoveryResponse) bool { return r.TypeUrl == url }); i < 0 {
			s.of(url).last = nil
			return s.silence()
		}
		instead = s.text(s.inbox[i])
		s.inbox[0], s.inbox[i] = s.inbox[i], s.inbox[0]
	}
	r := s.inbox[0]
	s.of(url).last, s.inbox = r, s.inbox[1:]
	return cmp.Or(instead, s.subject.faultOf(r))
}

// send says a request. Without a response there is nothing to answer.
func (s *sotwScript) send(kind string, args []string) error {
	url := urlOf(args[0])
	c := s.of(url)
	r := &discovery.DiscoveryRequest{TypeUrl: url}
	switch kind {
	case "ack", "nack":
		if c.last == nil {
			return nil
		}
		c.nonce = c.last.Nonce
		if kind == "nack" {
			r.ErrorDetail = &rpcstatus.Status{Code: 3, Message: strings.Join(args[1:], " ")}
			break
		}
		c.version = c.last.VersionInfo
		if len(args) > 1 {
			c.names = args[1:]
		}
	case "request":
		c.names = nil
		for _, arg := range args[1:] {
			if !strings.Contains(arg, "=") {
				c.names = append(c.names, arg)
			}
		}
	}
	r.ResourceNames, r.VersionInfo, r.ResponseNonce = c.names, c.version, c.nonce
	for _, arg := range args[1:] {
		if v, ok := strings.CutPrefix(arg, "version="); ok {
			r.VersionInfo = v
		}
		if v, ok := strings.CutPrefix(arg, "nonce="); ok {
			r.ResponseNonce = v
		}
	}
	return s.subject.deliver(r)
}
