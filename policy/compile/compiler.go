package compile

import (
	"errors"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
)

// Objects carries the user's policy objects as typed upserts; a nil value says
// that the object is gone. Objects are immutable once they were given.
type Objects struct {
	MeshConfigs            map[discovery.ObjectID]*v1alpha1.MeshConfig
	ProxyConfigs           map[discovery.ObjectID]*v1alpha1.ProxyConfig
	AuthenticationPolicies map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy
	// Locations says where objects stand, such as "mesh.yaml:12". An object
	// without an entry keeps the location that it had.
	Locations map[discovery.ObjectID]string
}

// Update is what a source of policy objects says, in the manner of discovery.Update.
type Update struct {
	Source discovery.SourceID
	// Synced says that the initial state is complete with this update.
	Synced bool
	// Trouble, when not nil, says that what is missing from now on is not to be believed.
	Trouble error
	Objects Objects
	// Problems holds what keeps objects from being read at all, for every object where that changed; none: clean.
	Problems Problems
	// ReadAt is when the first of the changes was read; zero: not to be measured.
	ReadAt time.Time
}

// Problems carries what is wrong with objects, as upserts: the list of an
// object is complete, and an empty one says that the object is clean again.
type Problems map[discovery.ObjectID][]discovery.Problem

// Config is what a Compiler needs to know of the control plane.
type Config struct {
	// TrustDomain is the one that the control plane issues identities in.
	TrustDomain string
}

// Compiler holds the rules of the objects that it was given.
type Compiler struct {
	trustDomain string
	objects     map[discovery.ObjectID]*object
	groups      map[group]map[discovery.ObjectID]bool
	told        Problems
}

// object is what the Compiler knows of one of the user's objects.
type object struct {
	location string
	// rule is the last good one: *policy.MeshRule, *policy.ProxyRule or *policy.PeerRule; nil while there was none.
	rule any
	// rejected is what is wrong with the version that the user has now.
	rejected field.ErrorList
	// group is that of the rule; the zero value is none.
	group group
}

// New returns a Compiler that knows no objects.
func New(config Config) (*Compiler, error) {
	if config.TrustDomain == "" {
		return nil, errors.New("compile: config without a trust domain")
	}
	return &Compiler{
		trustDomain: config.TrustDomain,
		objects:     make(map[discovery.ObjectID]*object),
		groups:      make(map[group]map[discovery.ObjectID]bool),
		told:        make(Problems),
	}, nil
}

// Apply takes in changed objects and returns which rules changed and which
// objects have other problems than before. A rule that is equal to the one
// before is not returned.
func (c *Compiler) Apply(objects Objects) (policy.Update, Problems) {
	changed := change{compiler: c, touched: make(map[discovery.ObjectID]bool)}
	for id, location := range objects.Locations {
		changed.locate(id, location)
	}
	update := policy.Update{
		Mesh:    upsert(&changed, objects.MeshConfigs, objects.Locations, c.meshRule),
		Proxies: upsert(&changed, objects.ProxyConfigs, objects.Locations, proxyRule),
		Peers:   upsert(&changed, objects.AuthenticationPolicies, objects.Locations, peerRule),
	}
	return update, c.problems(changed.touched)
}

// change collects what one Apply touches.
type change struct {
	compiler *Compiler
	// touched are the objects whose problems may have changed.
	touched map[discovery.ObjectID]bool
}

func (c *change) locate(id discovery.ObjectID, location string) {
	known := c.compiler.objects[id]
	if known == nil || known.location == location {
		return
	}
	known.location = location
	c.touch(id, known.group)
}

// touch marks an object and those that its rule competes with.
func (c *change) touch(id discovery.ObjectID, of group) {
	c.touched[id] = true
	for mate := range c.compiler.groups[of] {
		c.touched[mate] = true
	}
}

// upsert takes in the objects of one kind. A bad version of an object leaves the rule of the last good one.
func upsert[O, R any](c *change, objects map[discovery.ObjectID]*O, locations map[discovery.ObjectID]string,
	compile func(discovery.ObjectID, *O) (*R, group, field.ErrorList),
) map[discovery.ObjectID]*R {
	changed := make(map[discovery.ObjectID]*R)
	for id, value := range objects {
		if value == nil {
			if c.remove(id) {
				changed[id] = nil
			}
			continue
		}
		rule, of, errs := compile(id, value)
		if len(errs) > 0 {
			c.reject(id, locations[id], errs)
		} else if c.accept(id, locations[id], rule, of) {
			changed[id] = rule
		}
	}
	return changed
}

// remove forgets an object and reports whether it had a rule.
func (c *change) remove(id discovery.ObjectID) bool {
	known := c.compiler.objects[id]
	if known == nil {
		return false
	}
	c.touch(id, known.group)
	c.compiler.leave(id, known.group)
	delete(c.compiler.objects, id)
	return known.rule != nil
}

func (c *change) reject(id discovery.ObjectID, location string, errs field.ErrorList) {
	known := c.compiler.object(id, location)
	known.rejected = errs
	c.touched[id] = true
}

// accept stores a rule and reports whether it differs from the one before.
func (c *change) accept(id discovery.ObjectID, location string, rule any, of group) bool {
	known := c.compiler.object(id, location)
	c.touch(id, known.group)
	if of != known.group {
		c.compiler.leave(id, known.group)
		c.compiler.join(id, of)
		known.group = of
		c.touch(id, of)
	}
	same := reflect.DeepEqual(known.rule, rule)
	known.rule, known.rejected = rule, nil
	return !same
}

// object returns what is known of an object, from now on at that location unless it is empty.
func (c *Compiler) object(id discovery.ObjectID, location string) *object {
	known := c.objects[id]
	if known == nil {
		known = &object{}
		c.objects[id] = known
	}
	if location != "" {
		known.location = location
	}
	return known
}
