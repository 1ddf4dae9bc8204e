package replica

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"outrigger.dev/outrigger/xds/debug"
)

const (
	// askEvery is how often replicas are asked when nobody else asks.
	askEvery = 10 * time.Second
	// askShare is how many times longer than an answer takes the pause before the next question is.
	askShare = 50
	// askTimeout bounds one question; a replica gives its streams 5 s to answer.
	askTimeout = 8 * time.Second
)

// Config says whom Peers asks.
type Config struct {
	// Own is the service of this process, and Place its place in DataDir.
	Own     *debug.Service
	Place   Place
	DataDir string
	// Addresses are those of servers on other machines, HOST:PORT; TLS is that of certs.Authority.PeerTLS.
	Addresses []string
	TLS       *tls.Config
	Logger    *slog.Logger
}

// Peers asks this server and all other replicas. Its methods may be called from many goroutines.
type Peers struct {
	config Config
	remote map[string]*debug.Client

	mu    sync.Mutex
	known map[string]*Answer // by place or address: what was last known
}

// New returns Peers; Run ends what it holds.
func New(config Config) *Peers {
	p := &Peers{config: config, remote: map[string]*debug.Client{}, known: map[string]*Answer{}}
	for _, address := range config.Addresses {
		p.remote[address] = debug.NewPeerClient(address, config.TLS)
	}
	return p
}

// Run asks all replicas from time to time, so that something is known of one that goes away, until ctx ends.
func (p *Peers) Run(ctx context.Context) error {
	defer p.close()
	pause := time.NewTimer(askEvery)
	defer pause.Stop()
	for {
		began := time.Now()
		p.askPeers(ctx)
		pause.Reset(max(askEvery, askShare*time.Since(began)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
}

func (p *Peers) close() {
	for _, client := range p.remote {
		client.Close()
	}
}

// Ask returns the answers of all replicas, this server first. With standing it also looks at this server's source.
func (p *Peers) Ask(ctx context.Context, standing bool) []Answer {
	var asking sync.WaitGroup
	own := Answer{Status: Status{Name: p.config.Place.Name, State: StateUp}}
	asking.Go(func() {
		report := p.config.Own.Report(ctx, standing)
		own.Report, own.Revision = &report, report.Latest()
	})
	others := p.askPeers(ctx)
	asking.Wait()
	return distinct(own, others)
}

// askPeers asks all others at once.
func (p *Peers) askPeers(ctx context.Context) []Answer {
	var asking sync.WaitGroup
	peers := p.peers()
	answers := make([]Answer, len(peers))
	for i, peer := range peers {
		asking.Go(func() { answers[i] = p.ask(ctx, peer) })
	}
	asking.Wait()
	return answers
}

// Known returns what the others were when they were asked last; it asks nobody. The names are the same for as long
// as this server runs: those on other machines have their addresses in them.
func (p *Peers) Known() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Answer
	for _, key := range slices.Sorted(maps.Keys(p.known)) {
		all = append(all, *p.known[key])
	}
	var list []Status
	for _, a := range all {
		if a.State == stateStopped || slices.ContainsFunc(all, a.isAlso) {
			continue
		}
		if a.Address != "" {
			a.Name = a.Address
		}
		list = append(list, a.Status)
	}
	return list
}

// peer is one way to a replica.
type peer struct {
	// key is the address, or the folder of the place.
	key    string
	place  *Place
	client *debug.Client
}

// peers are all ways to other replicas, in a steady order.
func (p *Peers) peers() []peer {
	var peers []peer
	places, err := Places(p.config.DataDir)
	if err != nil {
		p.config.Logger.Warn("cannot look for other replicas", "folder", p.config.DataDir, "error", err)
	}
	for _, place := range places {
		if place != p.config.Place {
			peers = append(peers, peer{key: place.Dir, place: &place, client: place.client()})
		}
	}
	for _, address := range slices.Compact(slices.Sorted(slices.Values(p.config.Addresses))) {
		peers = append(peers, peer{key: address, client: p.remote[address]})
	}
	return peers
}

// ask returns what a replica says, or what is known of it where it says nothing.
func (p *Peers) ask(ctx context.Context, who peer) Answer {
	limited, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	report, err := who.client.Report(limited)
	if err == nil {
		return p.note(ctx, who, Answer{
			Status: Status{Name: report.Replica, Address: who.address(), State: StateUp, Revision: report.Latest()}, Report: &report,
		})
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	state, why := who.verdict(err)
	return p.note(ctx, who, Answer{Status: Status{Name: who.name(), Address: who.address(), State: state, Error: why}})
}

func (w peer) name() string {
	if w.place != nil {
		return w.place.Name
	}
	return w.key
}

func (w peer) address() string {
	if w.place != nil {
		return ""
	}
	return w.key
}

// verdict says what it means that a question was not answered.
func (w peer) verdict(err error) (state, why string) {
	if w.place == nil {
		return StateAway, err.Error()
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
		return w.place.verdict()
	}
	return StateAway, err.Error()
}

// note keeps what is known, completes an answer that is none with it, and logs what has changed.
func (p *Peers) note(ctx context.Context, who peer, answer Answer) Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.known[who.key]
	answer.Since = time.Now()
	if before != nil && before.State == answer.State {
		answer.Since = before.Since
	}
	if answer.State == StateAway && before != nil && before.Report != nil {
		answer.Name, answer.Report, answer.Revision = before.Name, before.Report, before.Revision
	}
	if ctx.Err() == nil {
		p.tell(ctx, before, answer)
		p.known[who.key] = &answer
	}
	return answer
}

func (p *Peers) tell(ctx context.Context, before *Answer, now Answer) {
	if before != nil && before.State == now.State {
		return
	}
	fields := []any{"replica", now.Name, "address", now.Address}
	switch {
	case now.State == StateUp:
		p.config.Logger.InfoContext(ctx, "another replica answers", fields...)
	case now.State == stateStopped && before != nil:
		p.config.Logger.InfoContext(ctx, "another replica stopped", fields...)
	case now.State == StateAway || now.State == StateEnded:
		p.config.Logger.WarnContext(ctx, "another replica does not answer", append(fields, "state", now.State, "error", now.Error)...)
	}
}
