package consul

import "context"

// list starts and ends watches as the catalog says.
func (r *run) list(ctx context.Context, names []name, partial bool) {
	added, dropped := r.mesh.list(names, partial, r.config.Clock())
	for _, n := range dropped {
		r.watches[n].cancel()
		delete(r.watches, n)
		before := r.troubles.key()
		r.troubles.set(watchID{kindHealth, n}, nil)
		r.told(before)
	}
	// All replicas of a mesh start at once after an outage: each in an order of its own.
	r.random.Shuffle(len(added), func(i, j int) { added[i], added[j] = added[j], added[i] })
	for _, n := range added {
		watchCtx, cancel := context.WithCancel(ctx)
		w := r.watch(watchID{kindHealth, n}, r.config.Wait, r.source.decoder(n))
		read := func(fresh uint64) error { return w.fetch(watchCtx, fresh) }
		r.watches[n] = &running{watch: w, cancel: cancel, read: read}
		if r.sweeper != nil {
			r.sweeper.add(n, 0)
			continue
		}
		r.group.Go(func() error {
			if err := w.run(watchCtx); ctx.Err() != nil {
				return err
			}
			return nil
		})
	}
}

// peerNames are the services of peers that the config names.
func (c *Config) peerNames() []name {
	var names []name
	for _, peer := range c.Peers {
		for _, service := range peer.Services {
			names = append(names, name{service: service, peer: peer.Name})
		}
	}
	return names
}
