package replica

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"outrigger.dev/outrigger/xds/debug"
)

// Proxies returns the proxies of all replicas: each with all of its streams, wherever they are open.
func (p *Peers) Proxies(ctx context.Context) Proxies {
	answers := p.Ask(ctx, false)
	lists := make([][]debug.Proxy, len(answers))
	lists[0] = p.config.Own.Proxies(ctx)
	clients := p.clients(answers)
	var asking sync.WaitGroup
	for i := range answers {
		if from := clients[i]; from != nil {
			asking.Go(func() {
				var err error
				if lists[i], err = from.Proxies(ctx); err != nil {
					answers[i].State, answers[i].Error = StateAway, err.Error()
				}
			})
		}
	}
	asking.Wait()
	all := Proxies{Proxies: merge(lists), Replicas: statuses(answers)}
	markUnknown(all.Proxies, answers)
	return all
}

// Proxy returns one proxy as the replica tells it that has its newest stream. The error wraps debug.ErrNotFound when
// nobody knows it.
func (p *Peers) Proxy(ctx context.Context, name string) (debug.Proxy, error) {
	answers := p.Ask(ctx, false)
	best, found := p.config.Own.Proxy(ctx, name)
	for i, from := range p.clients(answers) {
		if from == nil || !answers[i].has(name) {
			continue
		}
		proxy, err := from.Proxy(ctx, name)
		if err != nil && !errors.Is(err, debug.ErrNotFound) {
			return debug.Proxy{}, err
		}
		if err == nil && (!found || newer(&proxy, &best)) {
			best, found = proxy, true
		}
	}
	if !found {
		return debug.Proxy{}, debug.ErrNotFound
	}
	list := []debug.Proxy{best}
	markUnknown(list, answers)
	return list[0], nil
}

// clients are whom to ask for more, by answer; nil for this server and for those that do not answer.
func (p *Peers) clients(answers []Answer) []*debug.Client {
	byKey := map[string]*debug.Client{}
	for _, peer := range p.peers() {
		byKey[peer.address()+" "+peer.name()] = peer.client
	}
	list := make([]*debug.Client, len(answers))
	for i := 1; i < len(answers); i++ {
		a := answers[i]
		if a.State != StateUp {
			continue
		}
		name := a.Report.Replica
		if a.Address != "" {
			name = a.Address
		}
		list[i] = byKey[a.Address+" "+name]
	}
	return list
}

// has reports whether a replica had a stream of a proxy.
func (a *Answer) has(name string) bool {
	return a.Report != nil && slices.ContainsFunc(a.Report.Proxies, func(p debug.Progress) bool { return p.Name == name })
}

// merge puts the streams of each proxy together; what the newest one says of the proxy counts.
func merge(lists [][]debug.Proxy) []debug.Proxy {
	byName := map[string]debug.Proxy{}
	for _, list := range lists {
		for _, proxy := range list {
			known, ok := byName[proxy.Name]
			if !ok {
				byName[proxy.Name] = proxy
				continue
			}
			streams := append(slices.Clone(known.Streams), proxy.Streams...)
			if newer(&proxy, &known) {
				known = proxy
			}
			slices.SortStableFunc(streams, func(a, b debug.Stream) int { return a.Since.Compare(b.Since) })
			known.Streams = streams
			byName[proxy.Name] = known
		}
	}
	all := make([]debug.Proxy, 0, len(byName))
	for _, proxy := range byName {
		all = append(all, proxy)
	}
	slices.SortFunc(all, func(a, b debug.Proxy) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// newer reports whether the newest stream of a was opened after that of b.
func newer(a, b *debug.Proxy) bool {
	x, y := a.Stream(), b.Stream()
	return x != nil && (y == nil || x.Since.After(y.Since))
}

// markUnknown says of proxies without a stream that they had one at a replica that does not answer.
func markUnknown(proxies []debug.Proxy, answers []Answer) {
	lost := map[string]bool{}
	for _, a := range answers {
		if a.State != StateAway || a.Report == nil {
			continue
		}
		for _, p := range a.Report.Proxies {
			lost[p.Name] = true
		}
	}
	for i := range proxies {
		if len(proxies[i].Streams) == 0 && lost[proxies[i].Name] {
			proxies[i].State = debug.StateUnknown
		}
	}
}

func statuses(answers []Answer) []Status {
	list := make([]Status, len(answers))
	for i := range answers {
		list[i] = answers[i].Status
	}
	return list
}
