package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

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
	files, err := filepath.Glob("testdata/sotw/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			runSotwScript(t, string(text))
		})
	}
}

// sotwScript is a script that runs.
type sotwScript struct {
	store   *cache.Store
	sub     *cache.Subscription
	shared  *settings
	records *records
	session *sotwSession
	now     time.Time
	inbox   []*discovery.DiscoveryResponse
	err     error
	client  map[string]*sotwClient // by type URL
}

// sotwClient is what a client keeps of a type.
type sotwClient struct {
	names          []string
	version, nonce string
	last           *discovery.DiscoveryResponse
}

func newSotwSettings(o Observer) *settings {
	return &settings{
		timing: Timing{}.withDefaults(), limits: Limits{}.withDefaults(), observer: o, heads: newHeads("outrigger"),
		refusals: newRefusals(),
	}
}

func runSotwScript(t *testing.T, script string) {
	t.Helper()
	s := &sotwScript{store: cache.NewStore(), records: &records{}, now: time.Unix(1e9, 0), client: map[string]*sotwClient{}}
	s.shared = newSotwSettings(s.records)
	if strings.Contains(script, "# small responses") {
		s.shared.limits.ResponseMembers = 2
	}
	s.publish([]string{"view mesh"})
	lines := strings.Split(script, "\n")
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

func (s *sotwScript) do(words, block []string) error {
	args := words[1:]
	switch words[0] {
	case "publish":
		s.publish(block)
	case "connect":
		return s.connect(args)
	case "request", "again", "ack", "nack":
		return s.send(words[0], args)
	case "expect":
		return s.expect(args[0], args[1:])
	case "nothing":
		if len(s.inbox) > 0 {
			return fmt.Errorf("got %v", s.inbox)
		}
		return s.err
	case "advance":
		d, err := time.ParseDuration(args[0])
		s.advance(d)
		return err
	case "settled", "unsettled":
		if done := s.session.settledAt() == s.store.Rev(); done != (words[0] == "settled") {
			return fmt.Errorf("settled %d of %d", s.session.settledAt(), s.store.Rev())
		}
	case "refused":
		if n := len(s.records.nacks); strconv.Itoa(n) != args[0] {
			return fmt.Errorf("%d refusals were reported", n)
		}
	case "parked":
		return s.parked(strings.Join(args, " "))
	case "synced":
		s.session.onSynced(s.now)
		s.drain()
	case "drain":
		s.session.onDrain()
	case "end":
		if want := strings.Join(args, " "); s.err == nil || !strings.Contains(s.err.Error(), want) {
			return fmt.Errorf("the stream's error: %w", s.err)
		}
	default:
		return fmt.Errorf("unknown step")
	}
	return nil
}

func (s *sotwScript) publish(block []string) {
	var p cache.Publication
	for _, line := range block {
		words := strings.Fields(line)
		switch words[0] {
		case "view":
			p.Nodes = map[string]*cache.ViewSpec{"shop/web": viewOf(words[1:])}
		case "remove":
			ref := cache.Ref{Type: typeNamed(words[1]), Name: words[2]}
			p.Changes = append(p.Changes, cache.Change{Layer: layerOf(words), Ref: ref})
		default:
			r := parseResource(words)
			p.Changes = append(p.Changes, cache.Change{
				Layer: layerOf(words), Ref: cache.Ref{Type: r.Type(), Name: r.Name()}, Resource: r,
			})
		}
	}
	s.store.Publish(p)
	if s.session != nil {
		s.session.onSnapshot(s.now, s.snapshot())
		s.drain()
	}
}

func (s *sotwScript) snapshot() *cache.Snapshot {
	snapshot, _ := s.sub.Current()
	return snapshot
}

func (s *sotwScript) connect(args []string) error {
	var err error
	if s.sub == nil {
		if s.sub, err = s.store.Subscribe("shop/web", nil); err != nil {
			return err
		}
	}
	s.session = newSotwSession(s.shared, peerOf("web"), s.snapshot(), rand.NewPCG(uint64(s.now.Unix()), 1))
	s.session.agent = "gRPC Go/1.85.0"
	s.session.synced = len(args) == 0
	s.err, s.inbox = nil, nil
	for _, c := range s.client {
		c.nonce, c.last = "", nil
	}
	return nil
}

// send encodes a request with the stock library and hands its bytes to the session.
func (s *sotwScript) send(kind string, args []string) error {
	url := urlOf(args[0])
	c := s.client[url]
	if c == nil {
		c = &sotwClient{}
		s.client[url] = c
	}
	r := &discovery.DiscoveryRequest{TypeUrl: url}
	switch kind {
	case "ack", "nack":
		if c.last == nil {
			return fmt.Errorf("no response to answer")
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
	return s.deliver(r)
}

func (s *sotwScript) deliver(r *discovery.DiscoveryRequest) error {
	b, err := proto.Marshal(r)
	if err != nil {
		return err
	}
	var q request
	q.malformed = (*sotwRequest)(&q).decode(b)
	s.err = s.session.onRequest(s.now, &q)
	s.drain()
	return nil
}

func (s *sotwScript) drain() {
	for _, r := range s.session.take() {
		s.inbox = append(s.inbox, decodeSotw(r))
	}
}

// decodeSotw reads the bytes of a response with the stock library.
func decodeSotw(r *response) *discovery.DiscoveryResponse {
	b := bytes.Join(r.sotwChunks(), nil)
	if len(b) != r.push.Bytes {
		panic(fmt.Sprintf("%d bytes, said %d", len(b), r.push.Bytes))
	}
	out := &discovery.DiscoveryResponse{}
	if err := proto.Unmarshal(b, out); err != nil {
		panic(err)
	}
	return out
}

func (s *sotwScript) advance(d time.Duration) {
	end := s.now.Add(d)
	for s.err == nil {
		next := s.session.deadline(s.now)
		if next.IsZero() || next.After(end) {
			break
		}
		s.now = next
		s.err = s.session.onTimer(s.now)
		s.drain()
	}
	s.now = end
}

func (s *sotwScript) expect(typ string, want []string) error {
	if s.err != nil {
		return s.err
	}
	if len(s.inbox) == 0 {
		return fmt.Errorf("no response came")
	}
	r := s.inbox[0]
	s.inbox = s.inbox[1:]
	got := describeSotw(r)
	if r.TypeUrl != urlOf(typ) || !slices.Equal(got, want) {
		return fmt.Errorf("got %s %s", r.TypeUrl, strings.Join(got, " "))
	}
	if r.ControlPlane.GetIdentifier() != "outrigger" || r.Nonce == "" || len(r.VersionInfo) != 11 {
		return fmt.Errorf("got %v", r)
	}
	c := s.client[r.TypeUrl]
	if c == nil {
		c = &sotwClient{}
		s.client[r.TypeUrl] = c
	}
	c.last = r
	return nil
}

// describeSotw lists a response as scripts write it. The bodies of their resources say what they are.
func describeSotw(r *discovery.DiscoveryResponse) []string {
	var out []string
	for _, res := range r.Resources {
		words := strings.Fields(string(res.Value))
		if res.TypeUrl != r.TypeUrl || urlOf(words[0]) != r.TypeUrl {
			out = append(out, "type", res.TypeUrl)
		}
		out = append(out, words[1]+"@"+words[2])
	}
	return out
}

func (s *sotwScript) parked(want string) error {
	var info StreamInfo
	s.session.describe(&info)
	var got []string
	for _, t := range info.Types {
		for _, p := range t.Parked {
			got = append(got, fmt.Sprintf("%s %s@%s over %s", t.Type, p.Name, p.Version, orDash(p.Has)))
		}
	}
	if strings.Join(got, "; ") != want {
		return fmt.Errorf("got %q", got)
	}
	return nil
}
