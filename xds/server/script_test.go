package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	files, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The few resources of a script, one by one, and as if they were many.
		for mode, wholeFrom := range map[string]int{"single": compactFrom, "whole": 1} {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+mode, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					t.Helper()
					runScript(t, string(text), wholeFrom)
				})
			})
		}
	}
}

// script is a script that runs.
type script struct {
	t       *testing.T
	mesh    *mesh
	client  *client
	last    map[string]*discovery.DeltaDiscoveryResponse // by type URL
	owed    int                                          // publications that are not settled
	drained chan error
}

func runScript(t *testing.T, text string, wholeFrom int) {
	t.Helper()
	s := &script{t: t, last: map[string]*discovery.DeltaDiscoveryResponse{}}
	var synced chan struct{}
	if strings.Contains(text, "\nsynced\n") {
		synced = make(chan struct{})
	}
	s.mesh = newMesh(t, func(c *Config) {
		c.Timing.Drain = 45 * time.Second
		if synced != nil {
			c.Synced = synced
		}
		if strings.Contains(text, "# small responses") {
			c.Limits.ResponseMembers = 2
		}
	})
	s.mesh.synced = synced
	s.mesh.server.settings.wholeFrom = wholeFrom
	s.publish([]string{"view mesh"})
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var block []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
			i++
			block = append(block, strings.TrimSpace(lines[i]))
		}
		if err := s.do(strings.Fields(line), block); err != nil {
			t.Fatalf("line %d: %s: %v", i+1, line, err)
		}
	}
}

func (s *script) do(words, block []string) error {
	args := words[1:]
	switch words[0] {
	case "publish":
		s.publish(block)
	case "connect", "reconnect":
		if s.client != nil {
			s.client.close()
		}
		s.client = s.mesh.connect("web", "token-of-web")
	case "request":
		s.client.send(parseRequest(args))
	case "ack":
		return s.ack(args)
	case "nack":
		return s.nack(args[0], strings.Join(args[1:], " "))
	case "expect":
		return s.expect(args[0], args[1:])
	case "nothing":
		return s.nothing()
	case "advance":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		synctest.Wait()
		advance(d)
	case "settled", "unsettled":
		synctest.Wait()
		if done := s.owed == 0; done != (words[0] == "settled") {
			return fmt.Errorf("%d publications are unsettled", s.owed)
		}
	case "lagging":
		return s.lagging(args)
	case "parked":
		return s.parked(args)
	case "refused":
		synctest.Wait()
		if n := len(s.mesh.observer.nacks); strconv.Itoa(n) != args[0] {
			return fmt.Errorf("%d refusals were reported", n)
		}
	case "secret", "secrets", "asked":
		return s.secret(words)
	case "synced":
		close(s.mesh.synced)
	case "drain":
		s.drain()
	case "end":
		return s.end(args[0], strings.Join(args[1:], " "))
	default:
		return fmt.Errorf("unknown step %q", words[0])
	}
	synctest.Wait()
	return nil
}

func advance(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// publish makes one publication of a block's lines.
func (s *script) publish(block []string) {
	var p cache.Publication
	for _, line := range block {
		words := strings.Fields(line)
		switch words[0] {
		case "view":
			p.Nodes = map[string]*cache.ViewSpec{"shop/web": viewOf(words[1:])}
		case "remove":
			p.Changes = append(p.Changes, cache.Change{
				Layer: layerOf(words), Ref: cache.Ref{Type: typeNamed(words[1]), Name: words[2]},
			})
		default:
			r := parseResource(words)
			p.Changes = append(p.Changes, cache.Change{
				Layer: layerOf(words), Ref: cache.Ref{Type: r.Type(), Name: r.Name()}, Resource: r,
			})
		}
	}
	p.Settled = func() { s.owed-- }
	s.owed++
	if _, concerned := s.mesh.store.Publish(p); concerned == 0 {
		s.owed--
	}
}

func viewOf(layers []string) *cache.ViewSpec {
	if layers[0] == "gone" {
		return nil
	}
	spec := &cache.ViewSpec{Scope: cache.All}
	for _, l := range layers {
		spec.Layers = append(spec.Layers, cache.LayerID(l))
	}
	return spec
}

func layerOf(words []string) cache.LayerID {
	if last := words[len(words)-1]; last[0] == '@' {
		return cache.LayerID(last[1:])
	}
	return "mesh"
}

func typeNamed(name string) cache.Type {
	for t := range cache.Type(cache.NumTypes) {
		if t.String() == name {
			return t
		}
	}
	panic("no type " + name)
}

func urlOf(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return typeNamed(name).URL()
}

// parseResource reads "TYPE NAME VERSION [-> TYPE/NAME...] [in GROUP] [of OWNER] [@LAYER]".
func parseResource(words []string) *cache.Resource {
	c := cache.ResourceConfig{
		Type: typeNamed(words[0]), Name: words[1], Version: words[2], Body: []byte(strings.Join(words[:3], " ")),
	}
	for i := 3; i < len(words); i++ {
		switch {
		case words[i] == "in":
			i++
			c.Group = words[i]
		case words[i] == "of":
			i++
			c.Owner = words[i]
		case words[i] != "->" && words[i][0] != '@':
			kind, name, _ := strings.Cut(words[i], "/")
			c.Refs = append(c.Refs, cache.Ref{Type: typeNamed(kind), Name: name})
		}
	}
	return cache.NewResource(c)
}

func parseRequest(args []string) *discovery.DeltaDiscoveryRequest {
	r := &discovery.DeltaDiscoveryRequest{TypeUrl: urlOf(args[0])}
	for i, arg := range args[1:] {
		switch {
		case arg[0] == '+':
			r.ResourceNamesSubscribe = append(r.ResourceNamesSubscribe, arg[1:])
		case arg[0] == '-':
			r.ResourceNamesUnsubscribe = append(r.ResourceNamesUnsubscribe, arg[1:])
		case strings.HasPrefix(arg, "nonce="):
			r.ResponseNonce = strings.TrimPrefix(arg, "nonce=")
		case strings.HasPrefix(arg, "node="):
			r.Node = envoyNode(strings.TrimPrefix(arg, "node="), "shop/web")
		case strings.HasPrefix(arg, "error="):
			r.ErrorDetail = &rpcstatus.Status{Code: 3, Message: strings.TrimPrefix(strings.Join(args[i+1:], " "), "error=")}
			return r
		default:
			if r.InitialResourceVersions == nil {
				r.InitialResourceVersions = map[string]string{}
			}
			name, version, _ := strings.Cut(arg, "=")
			r.InitialResourceVersions[name] = version
		}
	}
	return r
}

func (s *script) ack(args []string) error {
	last := s.last[urlOf(args[0])]
	if last == nil {
		return fmt.Errorf("no response to acknowledge")
	}
	r := parseRequest(args)
	r.ResponseNonce = last.Nonce
	s.client.send(r)
	synctest.Wait()
	return nil
}

func (s *script) nack(typ, text string) error {
	last := s.last[urlOf(typ)]
	if last == nil {
		return fmt.Errorf("no response to refuse")
	}
	s.client.send(&discovery.DeltaDiscoveryRequest{
		TypeUrl: last.TypeUrl, ResponseNonce: last.Nonce, ErrorDetail: &rpcstatus.Status{Code: 13, Message: text},
	})
	synctest.Wait()
	return nil
}

// expect takes the next response and compares it.
func (s *script) expect(typ string, want []string) error {
	synctest.Wait()
	r := s.client.next()
	if r == nil {
		return fmt.Errorf("no response came; the stream's error: %w", s.client.ended())
	}
	s.last[r.TypeUrl] = r
	got := describe(r)
	slices.Sort(want)
	if r.TypeUrl != urlOf(typ) || !slices.Equal(got, want) {
		return fmt.Errorf("got %s %s", r.TypeUrl, strings.Join(got, " "))
	}
	if r.ControlPlane.GetIdentifier() != "outrigger" || r.Nonce == "" {
		return fmt.Errorf("got identifier %q, nonce %q", r.ControlPlane.GetIdentifier(), r.Nonce)
	}
	return nil
}

// describe lists a response as scripts write it, in order.
func describe(r *discovery.DeltaDiscoveryResponse) []string {
	var out []string
	for _, res := range r.Resources {
		out = append(out, res.Name+"@"+res.Version)
	}
	for _, name := range r.RemovedResources {
		out = append(out, "-"+name)
	}
	slices.Sort(out)
	return out
}

func (s *script) nothing() error {
	synctest.Wait()
	if r := s.client.next(); r != nil {
		return fmt.Errorf("got %s %s", r.TypeUrl, strings.Join(describe(r), " "))
	}
	if err := s.client.ended(); err != nil {
		return fmt.Errorf("the stream ended: %w", err)
	}
	return nil
}

// parked compares what the debug view says with "TYPE NAME@VERSION over VERSION of OWNER".
func (s *script) parked(args []string) error {
	synctest.Wait()
	infos := s.mesh.server.Streams(context.Background())
	var got []string
	for _, info := range infos {
		for _, t := range info.Types {
			for _, p := range t.Parked {
				got = append(got, fmt.Sprintf("%s %s@%s over %s of %s", t.Type, p.Name, p.Version, orDash(p.Has), orDash(p.Owner)))
			}
		}
	}
	if want := strings.Join(args, " "); strings.Join(got, "; ") != want {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

// lagging compares what the debug view says of a type.
func (s *script) lagging(args []string) error {
	synctest.Wait()
	var got []string
	for _, info := range s.mesh.server.Streams(context.Background()) {
		for _, t := range info.Types {
			if t.Type != args[0] {
				continue
			}
			if t.Pending != len(t.Lagging) {
				return fmt.Errorf("%d are pending, %d named", t.Pending, len(t.Lagging))
			}
			for _, l := range t.Lagging {
				sent := ""
				if l.Sent {
					sent = "*"
				}
				got = append(got, l.Name+"@"+orDash(l.Has)+">"+orDash(l.Wants)+sent)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, args[1:]) {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (s *script) secret(words []string) error {
	v := s.mesh.vault
	switch {
	case words[0] == "asked":
		v.mu.Lock()
		defer v.mu.Unlock()
		got := v.asked
		v.asked = nil
		if !slices.Equal(got, words[1:]) {
			return fmt.Errorf("got %q", got)
		}
	case words[0] == "secret":
		var renew time.Duration
		if len(words) > 3 {
			var err error
			if renew, err = time.ParseDuration(words[3]); err != nil {
				return err
			}
		}
		v.put(words[1], words[2], renew)
	case words[1] == "changed":
		v.change()
	default:
		v.mu.Lock()
		defer v.mu.Unlock()
		v.failing = words[1] == "failing"
	}
	return nil
}

func (s *script) drain() {
	s.drained = make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	go func() { s.drained <- s.mesh.server.Drain(ctx) }()
}

func (s *script) end(code, text string) error {
	synctest.Wait()
	err := s.client.ended()
	if got := status.Code(err).String(); err == nil || got != code || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("the stream's error: %w", err)
	}
	return nil
}
