package capture

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// OutboundPort is where the proxy takes what the pod sends.
	OutboundPort = 15001
	// InboundPort is where it takes what the pod is sent.
	InboundPort = 15006

	// DefaultProxyUser is the user id that proxies run as unless something else is said.
	DefaultProxyUser = 1337

	readyPort   = 15021
	metricsPort = 15090

	// maxExclusions bounds each list: the rules are looked at one by one, for every new connection.
	maxExclusions = 256
)

// ownPorts are the ports that a proxy keeps for itself.
var ownPorts = PortRange{First: 15000, Last: 15099}

// Config says what is captured. Check finds rules right that Apply made from an equal one.
type Config struct {
	// ProxyUser is the user id that the proxy, and nothing else in the pod, runs as. It is not root.
	ProxyUser uint32
	Exclude   Exclusions
}

// Exclusions are connections that are left alone; they pass no proxy, so that no policy of the mesh holds for them.
// Order and repetitions do not matter.
type Exclusions struct {
	// InboundPorts are ports of the pod.
	InboundPorts []PortRange
	// OutboundPorts are ports that the pod connects to, on any address.
	OutboundPorts []PortRange
	// OutboundCIDRs are addresses that the pod connects to.
	OutboundCIDRs []netip.Prefix
	// Users are ids of users in the pod, whose outbound connections are meant.
	Users []uint32
}

// PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// ParsePortRange reads "80" or "8000-8099".
func ParsePortRange(text string) (PortRange, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return PortRange{}, fmt.Errorf("port %.40q: want a number from 1 to 65535, or a range such as 8000-8099", text)
	}
	return PortRange{First: uint16(a), Last: uint16(b)}, nil
}

// String is "80" or "8000-8099".
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

func (r PortRange) has(port uint16) bool { return r.First <= port && port <= r.Last }

// Validate returns every mistake in the configuration, as Apply and Check do.
func (c Config) Validate() error {
	_, err := c.checked()
	return err
}

// checked returns the configuration in its one form, or every mistake in it.
func (c Config) checked() (Config, error) {
	e := c.Exclude
	errs := []error{
		checkPorts("excluded inbound ports", e.InboundPorts),
		checkPorts("excluded outbound ports", e.OutboundPorts),
		checkCount("excluded CIDRs", len(e.OutboundCIDRs)),
		checkCount("excluded users", len(e.Users)),
	}
	if c.ProxyUser == 0 {
		errs = append(errs, errors.New("proxy user 0: whatever root does in the pod would pass by the proxy; run the proxy as a user of its own"))
	}
	if slices.Contains(e.Users, c.ProxyUser) {
		errs = append(errs, fmt.Errorf("excluded user %d: it is the proxy's, which the rules know already", c.ProxyUser))
	}
	for _, p := range e.OutboundCIDRs {
		if !p.IsValid() || p.Addr().Is4In6() {
			errs = append(errs, fmt.Errorf("excluded CIDR %s: want an IPv4 or IPv6 prefix such as 10.0.0.0/8", p))
		}
	}
	c.Exclude = Exclusions{
		InboundPorts: ordered(e.InboundPorts, comparePorts), OutboundPorts: ordered(e.OutboundPorts, comparePorts),
		OutboundCIDRs: masked(e.OutboundCIDRs), Users: ordered(e.Users, func(a, b uint32) int { return int(int64(a) - int64(b)) }),
	}
	return c, errors.Join(errs...)
}

func checkCount(field string, n int) error {
	if n > maxExclusions {
		return fmt.Errorf("%s: %d of them, want at most %d", field, n, maxExclusions)
	}
	return nil
}

// checkPorts refuses what would let connections to the proxy's listeners pass by the rules: they would be taken for captured ones.
func checkPorts(field string, ports []PortRange) error {
	errs := []error{checkCount(field, len(ports))}
	for _, r := range ports {
		if r.First == 0 || r.First > r.Last {
			errs = append(errs, fmt.Errorf("%s: %s: want 1 to 65535, the smaller one first", field, r))
		}
		for _, own := range []uint16{OutboundPort, InboundPort} {
			if r.has(own) {
				errs = append(errs, fmt.Errorf("%s: %s: the proxy takes captured connections on %d, which cannot be excluded", field, r, own))
			}
		}
	}
	return errors.Join(errs...)
}

func comparePorts(a, b PortRange) int {
	if a.First != b.First {
		return int(a.First) - int(b.First)
	}
	return int(a.Last) - int(b.Last)
}

func ordered[T comparable](values []T, compare func(a, b T) int) []T {
	values = slices.Clone(values)
	slices.SortFunc(values, compare)
	return slices.Compact(values)
}

func masked(prefixes []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		out[i] = p.Masked()
	}
	return ordered(out, netip.Prefix.Compare)
}
