package consul

import (
	"fmt"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// catalog are the names that the registry lists, sorted.
type catalog []name

func (catalog) isPayload() {}

// instances are those of one service, sorted by key.
type instances []*instance

func (instances) isPayload() {}

// ownService is the name under which Consul's servers register themselves. It is not part of a mesh.
const ownService = "consul"

// catalogDecoder reads the catalog.
type catalogDecoder struct{ last catalog }

func (d *catalogDecoder) decode(body []byte) (payload, error) {
	listed, err := decodeCatalog(body)
	if err != nil {
		return nil, err
	}
	delete(listed, ownService)
	next := make(catalog, 0, len(listed))
	for service := range listed {
		next = append(next, name{service: service})
	}
	slices.SortFunc(next, name.compare)
	return next, nil
}

func (d *catalogDecoder) compare(p payload) (shrinks, same bool) {
	next, _ := p.(catalog)
	shrinks = slices.ContainsFunc(d.last, func(n name) bool {
		_, found := slices.BinarySearchFunc(next, n, name.compare)
		return !found
	})
	return shrinks, slices.Equal(d.last, next)
}

func (d *catalogDecoder) accept(p payload, partial bool) {
	next, _ := p.(catalog)
	if partial {
		next = append(slices.Clone(next), d.last...)
		slices.SortFunc(next, name.compare)
		next = slices.Compact(next)
	}
	d.last = next
}

// instanceDecoder reads the instances of a service. It keeps those that did not change.
type instanceDecoder struct {
	namespace string
	name      name
	remote    func(datacenter string) bool
	last      instances
}

func (d *instanceDecoder) decode(body []byte) (payload, error) { return d.read(body) }

func (d *instanceDecoder) compare(p payload) (shrinks, same bool) {
	next, _ := p.(instances)
	return compareInstances(d.last, next)
}

func (d *instanceDecoder) accept(p payload, partial bool) {
	next, _ := p.(instances)
	if partial {
		next = union(d.last, next)
	}
	d.last = next
}

// read decodes all rows and puts what did not change in the place of its equal.
func (d *instanceDecoder) read(body []byte) (instances, error) {
	r := newReader(d.namespace, d.name, false)
	next := make(instances, 0, len(d.last))
	err := decodeRows(body, func(from *row) error {
		if from.Node.Node == "" || from.Service.ID == "" {
			return fmt.Errorf("an instance without the name of its node or its id")
		}
		if r.ordinary(from) {
			r.remote = d.remote(from.Node.Datacenter)
			next = append(next, r.read(from))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(next, func(a, b *instance) int { return a.key.compare(b.key) })
	next = slices.CompactFunc(next, func(a, b *instance) bool { return a.key == b.key })
	reuse(d.last, next)
	return next, nil
}

// reuse puts instances of before in the place of equal ones of next.
func reuse(before, next instances) {
	diffInstances(before, next, func(was, is *instance, at int) {
		if was != nil && is != nil && was.equal(is) {
			next[at] = was
		}
	})
}

// compareInstances says whether something is missing from next, and whether both are the same.
func compareInstances(before, next instances) (shrinks, same bool) {
	same = true
	diffInstances(before, next, func(was, is *instance, _ int) {
		shrinks = shrinks || is == nil
		same = same && was == is
	})
	return shrinks, same
}

// diffInstances walks over two sorted lists and calls each for every key: with the instances of both, nil where there is none,
// and the place in next.
func diffInstances(before, next instances, each func(was, is *instance, at int)) {
	order := func(a, b **instance) int { return (*a).key.compare((*b).key) }
	merge(before, next, order, func(was, is **instance, at int) {
		switch {
		case was == nil:
			each(nil, *is, at)
		case is == nil:
			each(*was, nil, at)
		default:
			each(*was, *is, at)
		}
	})
}

// merge walks over two sorted lists at once and calls each for what is in either, nil where there is none, with the place in next.
func merge[E any](before, next []E, order func(a, b *E) int, each func(was, is *E, at int)) {
	i, j := 0, 0
	for i < len(before) || j < len(next) {
		switch {
		case i == len(before):
			each(nil, &next[j], j)
			j++
		case j == len(next):
			each(&before[i], nil, j)
			i++
		default:
			switch c := order(&before[i], &next[j]); {
			case c < 0:
				each(&before[i], nil, j)
				i++
			case c > 0:
				each(nil, &next[j], j)
				j++
			default:
				each(&before[i], &next[j], j)
				i, j = i+1, j+1
			}
		}
	}
}

// raw shows instances with the health that the registry says.
func raw(list instances) []view {
	views := make([]view, len(list))
	for i, each := range list {
		views[i] = view{instance: each, shown: each.health}
	}
	return views
}

// setOf resolves the endpoints of instances as they are, without damping.
func setOf(n name, shard discovery.ShardID, list instances) *discovery.EndpointSet {
	if len(list) == 0 {
		return &discovery.EndpointSet{ID: shard}
	}
	return resolve(n, shard, raw(list)).set
}
