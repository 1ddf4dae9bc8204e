package certs

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"
)

const (
	defaultLeafTTL = 24 * time.Hour
	minLeafTTL     = 10 * time.Second
	maxLeafTTL     = 30 * 24 * time.Hour
)

// Config says where an authority lives.
type Config struct {
	// Dir is the data folder; it is made with mode 0700 when missing.
	Dir string
	// TrustDomain is a DNS name such as "cluster.local".
	TrustDomain string
	// LeafTTL is the life of leaves, 10 s to 30 days in whole seconds; 0 means 24 h.
	LeafTTL time.Duration
	// Clock tells the time; nil means [time.Now].
	Clock func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if err := checkDomain("trust domain", c.TrustDomain); err != nil {
		return Config{}, err
	}
	if c.LeafTTL == 0 {
		c.LeafTTL = defaultLeafTTL
	}
	if c.LeafTTL < minLeafTTL || c.LeafTTL > maxLeafTTL || c.LeafTTL%time.Second != 0 {
		return Config{}, fmt.Errorf("leaf ttl %s: want whole seconds from %s to %s", c.LeafTTL, minLeafTTL, maxLeafTTL)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c, nil
}

// Authority signs certificates. Its methods may be called at once from many
// goroutines.
type Authority struct {
	config Config
	// roots are the authorities that verify leaves; the first one signs. It
	// is immutable. There is one until rotation prepares a second.
	roots  []*root
	bundle Bundle
	// replaced says that roots.pem held other roots before.
	replaced bool
	signed   atomic.Uint64
}

// Open loads the authority of the data folder, or makes one when there is none.
// Any number of servers may open one folder, also at once and for the first
// time: all get the authority of whoever was first. The error names the file
// and the fix.
func Open(config Config) (*Authority, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := openFolder(config.Dir); err != nil {
		return nil, err
	}
	return load(config)
}

// load reads or makes the authority and writes its public part.
func load(config Config) (*Authority, error) {
	now := config.Clock()
	if err := sweepLeftovers(config.Dir, now); err != nil {
		return nil, fmt.Errorf("data folder %s: remove leftovers: %w", config.Dir, err)
	}
	path := filepath.Join(config.Dir, authorityFile)
	data, err := loadOrCreate(path, func() ([]byte, error) { return newRootPEM(config.TrustDomain, now) })
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	signer, err := parseRoot(data, config.TrustDomain, now)
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w; restore it from a backup, "+
			"or move it away to begin a new authority, which every proxy must then learn", path, err)
	}
	roots := []*root{signer}
	authority := &Authority{config: config, roots: roots, bundle: newBundle(roots)}
	authority.replaced, err = writeRoots(config.Dir, authority.bundle)
	if err != nil {
		return nil, err
	}
	return authority, nil
}

// TrustDomain returns the trust domain of every identity that is signed here.
func (a *Authority) TrustDomain() string { return a.config.TrustDomain }

// RootsReplaced reports whether the folder's roots.pem held something else until Open wrote it anew: proxies that were
// given what stood there do not trust this authority.
func (a *Authority) RootsReplaced() bool { return a.replaced }

// Signed returns how many certificates were signed since Open.
func (a *Authority) Signed() uint64 { return a.signed.Load() }

// Tainted reports whether leaves of the authority with this id must be
// replaced at once, however much life they have: their authority is not, or
// no longer, among those that this server signs with or trusts.
func (a *Authority) Tainted(id string) bool { return a.root(id) == nil }

func (a *Authority) root(id string) *root {
	for _, r := range a.roots {
		if r.id == id {
			return r
		}
	}
	return nil
}
