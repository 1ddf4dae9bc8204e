package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
)

// sotwOwn is our state machine, reached through the bytes of the wire.
type sotwOwn struct {
	store   *cache.Store
	sub     *cache.Subscription
	shared  *settings
	records *records
	session *sotwSession
	now     time.Time
	inbox   []*discovery.DiscoveryResponse
	err     error
}

func newSotwSettings(o Observer) *settings {
	return &settings{
		timing: Timing{}.withDefaults(), limits: Limits{}.withDefaults(), observer: o, heads: newHeads("outrigger"),
		refusals: newRefusals(),
	}
}

func newSotwOwn(text string) *sotwOwn {
	o := &sotwOwn{store: cache.NewStore(), records: &records{}, now: time.Unix(1e9, 0)}
	o.shared = newSotwSettings(o.records)
	if strings.Contains(text, "# small responses") {
		o.shared.limits.ResponseMembers = 2
	}
	return o
}

func (o *sotwOwn) publish(p cache.Publication) {
	o.store.Publish(p)
	if o.session != nil {
		o.session.onSnapshot(o.now, o.snapshot())
		o.drain()
	}
}

func (o *sotwOwn) snapshot() *cache.Snapshot {
	snapshot, _ := o.sub.Current()
	return snapshot
}

func (o *sotwOwn) connect(args []string) error {
	var err error
	if o.sub == nil {
		if o.sub, err = o.store.Subscribe("shop/web", nil); err != nil {
			return err
		}
	}
	o.session = newSotwSession(o.shared, peerOf("web"), o.snapshot(), rand.NewPCG(uint64(o.now.Unix()), 1))
	o.session.agent = "gRPC Go/1.85.0"
	o.session.synced = len(args) == 0
	o.err, o.inbox = nil, nil
	return nil
}

// deliver encodes a request with the stock library.
func (o *sotwOwn) deliver(r *discovery.DiscoveryRequest) error {
	b, err := proto.Marshal(r)
	if err != nil {
		return err
	}
	var q request
	q.malformed = (*sotwRequest)(&q).decode(b)
	o.err = o.session.onRequest(o.now, &q)
	o.drain()
	return nil
}

func (o *sotwOwn) take() []*discovery.DiscoveryResponse {
	came := o.inbox
	o.inbox = nil
	return came
}

func (o *sotwOwn) ended() error { return o.err }

func (o *sotwOwn) drain() {
	for _, r := range o.session.take() {
		o.inbox = append(o.inbox, decodeSotw(r))
	}
}

// decodeSotw reads the bytes of a response with the stock library.
func decodeSotw(r *response) *discovery.DiscoveryResponse {
	b := bytes.Join(r.sotwChunks(nil), nil)
	if len(b) != r.push.Bytes {
		panic(fmt.Sprintf("%d bytes, said %d", len(b), r.push.Bytes))
	}
	out := &discovery.DiscoveryResponse{}
	if err := proto.Unmarshal(b, out); err != nil {
		panic(err)
	}
	return out
}

func (o *sotwOwn) advance(d time.Duration) {
	end := o.now.Add(d)
	for o.err == nil {
		next := o.session.deadline(o.now)
		if next.IsZero() || next.After(end) {
			break
		}
		o.now = next
		o.err = o.session.onTimer(o.now)
		o.drain()
	}
	o.now = end
}

func (*sotwOwn) faultOf(r *discovery.DiscoveryResponse) string {
	if r.ControlPlane.GetIdentifier() != "outrigger" || r.Nonce == "" || len(r.VersionInfo) != 11 {
		return fmt.Sprint(r)
	}
	return ""
}

func (*sotwOwn) describe(r *discovery.DiscoveryResponse) []string { return describeSotw(r) }

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

func (o *sotwOwn) steer(words []string) (string, error) {
	switch words[0] {
	case "settled", "unsettled":
		if done := o.session.settledAt() == o.store.Rev(); done != (words[0] == "settled") {
			return fmt.Sprintf("settled %d of %d", o.session.settledAt(), o.store.Rev()), nil
		}
	case "refused":
		if n := len(o.records.nacks); strconv.Itoa(n) != words[1] {
			return fmt.Sprintf("%d refusals were reported", n), nil
		}
	case "parked":
		return o.parked(strings.Join(words[1:], " ")), nil
	case "synced":
		o.session.onSynced(o.now)
		o.drain()
	case "drain":
		o.session.onDrain()
	default:
		return "", fmt.Errorf("there is no such step")
	}
	return "", nil
}

func (o *sotwOwn) parked(want string) string {
	var info StreamInfo
	o.session.describe(&info)
	var got []string
	for _, t := range info.Types {
		for _, p := range t.Parked {
			got = append(got, fmt.Sprintf("%s %s@%s over %s", t.Type, p.Name, p.Version, orDash(p.Has)))
		}
	}
	if strings.Join(got, "; ") != want {
		return fmt.Sprintf("got %q", got)
	}
	return ""
}
