package server

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// TestScripts runs the protocol scripts: one file, one rule. A script is lines of
//
//	# a comment
//	publish                          and below it, indented, what changes at once:
//	  cluster a 1 -> endpoints/a secret/identity in shop/a of Service/shop/a @mesh
//	  remove cluster a @mesh
//	  view LAYER... | view gone      what the node sees; at first "view mesh"
//	connect | reconnect              opens a stream
//	request TYPE +NAME -NAME NAME=VERSION (what the client has) nonce=N error="TEXT"
//	ack TYPE ... | nack TYPE TEXT    answers the last response of the type; ack may carry +NAME -NAME
//	expect TYPE NAME@VERSION -NAME   the next response is exactly this, in any order
//	nothing                          no response came
//	advance DURATION
//	settled | unsettled              every publication so far is settled, or not
//	parked TYPE NAME@VERSION over VERSION of OWNER
//	lagging TYPE NAME@HAS>WANTS[*]...  what the debug view says is pending; * was sent
//	refused N                        so many refusals were reported
//	secret NAME VERSION [RENEW] | secrets changed | secrets failing | secrets back
//	asked NAME@VERSION...            the secrets that were asked of the source since the last such line
//	synced                           the sources are; a script that has this line begins without
//	drain
//	end CODE TEXT                    the stream ended so
func TestScripts(t *testing.T) {
	for name, text := range readScripts(t, "testdata/scripts") {
		// The few resources of a script, one by one, and as if they were many.
		for mode, wholeFrom := range map[string]int{"single": compactFrom, "whole": 1} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					t.Helper()
					s := newScript(newOwn(t, text, wholeFrom), func(d difference) { t.Fatal(d) })
					s.run(t, text)
				})
			})
		}
	}
}

// readScripts returns the texts of a folder's scripts by their names.
func readScripts(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".txt")] = string(text)
	}
	return texts
}

// subject is a server that scripts are run against.
type subject interface {
	// connect opens a stream of the workload shop/web.
	connect() *client
	publish(cache.Publication)
	// version returns what the server calls a version of a resource, plain what a script calls that of a sent one.
	version(ref cache.Ref, version string) string
	plain(*discovery.Resource) string
	identifier() string
	// steer does a step that is about the server and not about the protocol; noStep where it has no such thing.
	steer(words []string) (instead string, err error)
}

// difference is where a server does not do what a script says.
type difference struct {
	line          int
	step, instead string
}

func (d difference) String() string { return fmt.Sprintf("line %d: %s: %s", d.line, d.step, d.instead) }

// script is a script that runs.
type script struct {
	subject subject
	differs func(difference)
	client  *client
	inbox   []*arrival
	last    map[string]*discovery.DeltaDiscoveryResponse // by type URL; nil where none came
}

// arrival is a response that no line has expected yet.
type arrival struct {
	*discovery.DeltaDiscoveryResponse
	text string
	told bool // as a difference
}

func newScript(s subject, differs func(difference)) *script {
	return &script{subject: s, differs: differs, last: map[string]*discovery.DeltaDiscoveryResponse{}}
}

// run runs a script from its beginning, a mesh with nothing but the node in it.
func (s *script) run(t *testing.T, text string) {
	t.Helper()
	s.subject.publish(parsePublication([]string{"view mesh"}))
	s.play(t, text)
}

// play does the steps of a text to its end, or to one that the server does not have.
func (s *script) play(t *testing.T, text string) {
	t.Helper()
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

// noStep is what a server does instead that has no such thing.
const noStep = "has no such thing; the script ends here"

// do does a step and returns what the server did instead, empty if it did what it should. The error is the script's own.
func (s *script) do(words, block []string) (instead string, err error) {
	args := words[1:]
	switch words[0] {
	case "publish":
		s.subject.publish(parsePublication(block))
	case "connect", "reconnect":
		if s.client != nil {
			s.client.close()
		}
		s.client, s.inbox = s.subject.connect(), nil
	case "request":
		s.client.send(s.request(args))
	case "ack":
		s.ack(args)
	case "nack":
		s.nack(args[0], strings.Join(args[1:], " "))
	case "expect":
		return s.expect(urlOf(args[0]), args), nil
	case "nothing":
		return s.nothing(), nil
	case "advance":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return "", err
		}
		advance(d)
	case "end":
		return s.end(args[0], strings.Join(args[1:], " ")), nil
	default:
		synctest.Wait()
		if instead, err = s.subject.steer(words); instead != "" || err != nil {
			return instead, err
		}
	}
	synctest.Wait()
	return "", nil
}

func advance(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func (s *script) request(args []string) *discovery.DeltaDiscoveryRequest {
	r := parseRequest(args)
	t, _ := cache.TypeOf(r.TypeUrl)
	for name, version := range r.InitialResourceVersions {
		r.InitialResourceVersions[name] = s.subject.version(cache.Ref{Type: t, Name: name}, version)
	}
	return r
}

// ack answers the last response of a type. Without one there is nothing to answer, but there may be names to say.
func (s *script) ack(args []string) {
	r := s.request(args)
	last := s.last[r.TypeUrl]
	if last == nil && len(args) == 1 {
		return
	}
	r.ResponseNonce = last.GetNonce()
	s.client.send(r)
}

func (s *script) nack(typ, text string) {
	if last := s.last[urlOf(typ)]; last != nil {
		s.client.send(&discovery.DeltaDiscoveryRequest{
			TypeUrl: last.TypeUrl, ResponseNonce: last.Nonce, ErrorDetail: &rpcstatus.Status{Code: 13, Message: text},
		})
	}
}

// expect takes the response that a line describes; for want of it, the first one of its type that is not told yet.
func (s *script) expect(url string, want []string) string {
	s.receive()
	slices.Sort(want[1:])
	text := strings.Join(want, " ")
	i := slices.IndexFunc(s.inbox, func(a *arrival) bool { return a.text == text })
	var instead string
	if i >= 0 {
		if instead = s.tell(s.inbox[:i]); instead != "" {
			instead = "before it, " + instead
		}
	} else {
		i = slices.IndexFunc(s.inbox, func(a *arrival) bool { return a.TypeUrl == url && !a.told })
		if i < 0 {
			s.last[url] = nil
			return s.silence()
		}
		instead = s.inbox[i].text
	}
	r := s.inbox[i].DeltaDiscoveryResponse
	s.last[url], s.inbox = r, slices.Delete(s.inbox, i, i+1)
	if r.ControlPlane.GetIdentifier() != s.subject.identifier() || r.Nonce == "" {
		return fmt.Sprintf("identifier %q, nonce %q", r.ControlPlane.GetIdentifier(), r.Nonce)
	}
	return instead
}

// receive looks at what came.
func (s *script) receive() {
	synctest.Wait()
	for r := s.client.next(); r != nil; r = s.client.next() {
		s.inbox = append(s.inbox, &arrival{DeltaDiscoveryResponse: r, text: s.describe(r)})
	}
}

// describe writes a response as scripts do, in order.
func (s *script) describe(r *discovery.DeltaDiscoveryResponse) string {
	name := r.TypeUrl
	if t, ok := cache.TypeOf(r.TypeUrl); ok {
		name = t.String()
	}
	var members []string
	for _, res := range r.Resources {
		members = append(members, res.Name+"@"+s.subject.plain(res))
	}
	for _, name := range r.RemovedResources {
		members = append(members, "-"+name)
	}
	slices.Sort(members)
	return strings.Join(append([]string{name}, members...), " ")
}

// tell lists responses that no line has expected, and acknowledges them: a real client would not leave them.
func (s *script) tell(some []*arrival) string {
	var texts []string
	for _, a := range some {
		if a.told {
			continue
		}
		a.told = true
		texts = append(texts, a.text)
		s.client.send(&discovery.DeltaDiscoveryRequest{TypeUrl: a.TypeUrl, ResponseNonce: a.Nonce})
	}
	return strings.Join(texts, ", then ")
}

// silence says that nothing came, and why.
func (s *script) silence() string {
	if err := s.client.ended(); err != nil {
		return fmt.Sprintf("the stream ended: %v", err)
	}
	return "nothing"
}

func (s *script) nothing() string {
	s.receive()
	if instead := s.tell(s.inbox); instead != "" {
		return instead
	}
	if err := s.client.ended(); err != nil {
		return s.silence()
	}
	return ""
}

func (s *script) end(code, text string) string {
	s.receive()
	err := s.client.ended()
	if got := status.Code(err).String(); err != nil && got == code && strings.Contains(err.Error(), text) {
		return ""
	}
	if instead := s.tell(s.inbox); instead != "" {
		return instead
	}
	return s.silence()
}
