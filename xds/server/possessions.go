package server

import "outrigger.dev/outrigger/xds/cache"

// possessions are what a client says that it has of a type, beside what there is.
type possessions struct {
	// listing is what there is, where the client has much of it; nil where it has little: then other holds all.
	listing *cache.Listing
	same    bitset // by position in listing: it has the version that is listed
	some    int    // how many are the same
	// other are the versions of all other names.
	other map[string]string
}

// possessionsOf compares what a client says that it has with a snapshot.
func possessionsOf(versions []held, base *cache.Snapshot, t cache.Type, wholeFrom int) possessions {
	if len(versions) < max(wholeFrom, base.Len(t)/4) {
		p := possessions{}
		for _, h := range versions {
			p.differs(h, len(versions))
		}
		return p
	}
	return compare(base.Listing(t), versions)
}

// compare tells what a client that says its versions has of a listing.
func compare(l *cache.Listing, versions []held) possessions {
	p := possessions{listing: l}
	if len(versions) == 0 {
		return p
	}
	p.same = newBitset(l.Names().Len())
	for _, h := range versions {
		i, listed := l.Names().Position(h.name)
		if listed && p.same.has(i) {
			p.same.clear(i)
			p.some--
		}
		if listed && l.Version(i) == h.version {
			p.same.set(i)
			p.some++
			continue
		}
		p.differs(h, 0)
	}
	return p
}

func (p *possessions) differs(h held, room int) {
	if p.other == nil {
		p.other = make(map[string]string, room)
	}
	p.other[h.name] = h.version
}

func (p *possessions) nothing() bool { return p.some == 0 && len(p.other) == 0 }

// version returns what the client has of a name, empty if nothing.
func (p *possessions) version(name string) string {
	if p.some > 0 {
		if i, listed := p.listing.Names().Position(name); listed && p.same.has(i) {
			return p.listing.Version(i)
		}
	}
	return p.other[name]
}
