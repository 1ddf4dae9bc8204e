package merge

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

const (
	percent = 100
	// resolution is what one percent weighs where exact weights do not fit: the sum of all has to fit 32 bits.
	resolution = 1 << 24
)

// share gives each joined port's parts their share: joined percent to the parts of other sources than own.
func (c *composition) share(own discovery.SourceID, joined uint8) {
	for _, p := range c.ports {
		if p.joined {
			p.share(own, uint64(joined))
		}
	}
}

func (p *joinedPort) share(own discovery.SourceID, joined uint64) {
	var ours, theirs bearers
	for i := range p.parts {
		if p.parts[i].source == own {
			ours = append(ours, p.parts[i].bearers()...)
		} else {
			theirs = append(theirs, p.parts[i].bearers()...)
		}
	}
	usable, theirUsable := ours.usable(), theirs.usable()
	switch {
	case len(usable) == 0 && len(theirUsable) == 0:
		// Nobody is healthy: all are tried, as ever.
	case len(theirUsable) == 0 || joined == 0 && len(usable) > 0:
		theirs.rest()
	case len(usable) == 0 || joined == percent:
		ours.rest()
	case !scale(ours, theirs, joined):
		ours.apportion((percent - joined) * resolution)
		theirs.apportion(joined * resolution)
	}
}

// bearer is an endpoint or a host, of which only this matters here.
type bearer struct {
	weight *uint32
	health discovery.Health
	idle   *bool
}

type bearers []bearer

func (p *part) bearers() bearers {
	var all bearers
	for i := range p.endpoints {
		e := &p.endpoints[i]
		all = append(all, bearer{&e.Weight, e.Health, &e.Idle})
	}
	for i := range p.hosts {
		h := &p.hosts[i]
		all = append(all, bearer{&h.Weight, h.Health, &h.Idle})
	}
	return all
}

// rest takes all traffic away.
func (b bearers) rest() {
	for _, one := range b {
		*one.idle = true
	}
}

// usable returns those that traffic goes to: the healthy ones, else the degraded.
func (b bearers) usable() bearers {
	for _, tier := range []discovery.Health{discovery.Healthy, discovery.Degraded} {
		var of bearers
		for _, one := range b {
			if one.health == tier {
				of = append(of, one)
			}
		}
		if len(of) > 0 {
			return of
		}
	}
	return nil
}

// sum returns the sum of the weights, each 1 at least.
func (b bearers) sum() uint64 {
	var total uint64
	for _, one := range b {
		total += uint64(max(*one.weight, 1))
	}
	return total
}

// scale multiplies the weights of both sides by the smallest factors that give the joined side its percentage.
// It reports false, and does nothing, where they would not fit.
func scale(ours, theirs bearers, joined uint64) bool {
	a, b := ours.usable().sum(), theirs.usable().sum()
	hiA, factorA := bits.Mul64(percent-joined, b)
	hiB, factorB := bits.Mul64(joined, a)
	if hiA != 0 || hiB != 0 {
		return false
	}
	divisor := gcd(factorA, factorB)
	factorA, factorB = factorA/divisor, factorB/divisor
	hiA, totalA := bits.Mul64(ours.sum(), factorA)
	hiB, totalB := bits.Mul64(theirs.sum(), factorB)
	total, carry := bits.Add64(totalA, totalB, 0)
	if hiA != 0 || hiB != 0 || carry != 0 || total > math.MaxUint32 {
		return false
	}
	ours.multiply(factorA)
	theirs.multiply(factorB)
	return true
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (b bearers) multiply(factor uint64) {
	for _, one := range b {
		*one.weight = uint32(uint64(max(*one.weight, 1)) * factor)
	}
}

// apportion makes the weights of the usable ones come to a total, by largest remainders. The others, which only count while
// too many are unhealthy, weigh 1.
func (b bearers) apportion(total uint64) {
	usable := b.usable()
	sum := usable.sum()
	type remainder struct{ of, rest uint64 }
	rests := make([]remainder, len(usable))
	weights := make([]uint64, len(usable))
	left := total
	for i, one := range usable {
		product := uint64(max(*one.weight, 1)) * total // 32 and 31 bits.
		weights[i] = product / sum
		rests[i] = remainder{uint64(i), product % sum}
		left -= weights[i]
	}
	slices.SortStableFunc(rests, func(x, y remainder) int { return cmp.Compare(y.rest, x.rest) })
	for i := range left {
		weights[rests[i].of]++
	}
	for _, one := range b {
		*one.weight = 1
	}
	for i, one := range usable {
		*one.weight = uint32(max(weights[i], 1))
	}
}
