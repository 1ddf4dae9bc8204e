package consul

import (
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// The rule for checks that flap: an instance whose health changed more than flapChanges times within flapWindow keeps the worst state
// that it showed until it has not changed for flapHold. What is worse passes at once.
const (
	flapChanges = 4
	flapWindow  = 30 * time.Second
	flapHold    = 15 * time.Second
)

// flapKey names an instance among those of all services.
type flapKey struct {
	name name
	instanceKey
}

// flap is an instance that changed lately.
type flap struct {
	health discovery.Health
	// changes are when it changed, within the window.
	changes []time.Time
	// damped says that it flaps, and worst is what it is shown as until it is quiet.
	damped bool
	worst  discovery.Health
}

// damper says with which health instances are shown. It is pure: now is an argument.
type damper struct {
	flaps map[flapKey]*flap
}

func newDamper() *damper { return &damper{flaps: make(map[flapKey]*flap)} }

// change takes note that an instance went from one state to another.
func (d *damper) change(key flapKey, from, to discovery.Health, now time.Time) {
	f := d.flaps[key]
	if f == nil {
		f = &flap{}
		d.flaps[key] = f
	}
	f.health = to
	f.changes = append(slices.DeleteFunc(f.changes, func(at time.Time) bool { return now.Sub(at) > flapWindow }), now)
	if !f.damped && len(f.changes) > flapChanges {
		f.damped, f.worst = true, max(from, to)
	}
	if f.damped {
		f.worst = max(f.worst, to)
	}
}

// forget drops an instance that is gone.
func (d *damper) forget(key flapKey) { delete(d.flaps, key) }

// shown returns the state that an instance is shown with.
func (d *damper) shown(key flapKey, health discovery.Health) discovery.Health {
	if f := d.flaps[key]; f != nil && f.damped {
		return max(f.worst, health)
	}
	return health
}

// settle drops what has been quiet for long enough; it returns the instances that are shown anew, and when to ask again (zero: never).
func (d *damper) settle(now time.Time) (released []flapKey, next time.Time) {
	for key, f := range d.flaps {
		due := f.changes[len(f.changes)-1].Add(flapWindow)
		if f.damped {
			due = f.changes[len(f.changes)-1].Add(flapHold)
		}
		if !due.After(now) {
			if f.damped {
				released = append(released, key)
			}
			delete(d.flaps, key)
			continue
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return released, next
}
