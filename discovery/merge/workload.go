package merge

import (
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// workload is what is kept of one instance.
type workload struct {
	id     discovery.WorkloadID
	values discovery.BySource[discovery.Workload]
	// places are where homes finds it: none for a workload without an identity, or without an address of its own.
	places []place

	// What was said of it, and whose value that is.
	source discovery.SourceID
	value  *discovery.Workload
}

// place is an address within a network.
type place struct {
	network string
	address netip.Addr
}

func (m *Merge) storeWorkload(source discovery.SourceID, id discovery.WorkloadID, value *discovery.Workload) {
	w := m.workloads[id]
	if w == nil {
		w = &workload{id: id}
		m.workloads[id] = w
	}
	w.values.Put(source, value, compareSources)
	m.dirty.workload(w)
}

// resolveWorkload says the first source's value, with the worst health that any of them sees.
func (m *Merge) resolveWorkload(w *workload, out *output) {
	source, value := w.outcome()
	if !value.Equal(w.value) || !sameOrigin(value, w.value) {
		out.values.Workloads[w.id] = value
	}
	if !value.Equal(w.value) || source != w.source {
		m.rehome(w, source, value)
	}
	w.source, w.value = source, value
	if len(w.values) == 0 {
		delete(m.workloads, w.id)
	}
}

func sameOrigin(a, b *discovery.Workload) bool { return a == nil || b == nil || a.Origin == b.Origin }

func (w *workload) outcome() (discovery.SourceID, *discovery.Workload) {
	if len(w.values) == 0 {
		return discovery.SourceID{}, nil
	}
	first := w.values[0]
	health := first.Value.Health
	for _, s := range w.values[1:] {
		health = max(health, s.Value.Health)
	}
	if health == first.Value.Health {
		return first.Source, first.Value
	}
	worse := *first.Value
	worse.Health = health
	return first.Source, &worse
}

// rehome keeps the index of addresses and marks the services with a guest there.
func (m *Merge) rehome(w *workload, source discovery.SourceID, value *discovery.Workload) {
	old := w.places
	w.places = nil
	if value != nil && identifies(source) && !value.HostNetwork {
		for _, address := range value.Addresses {
			w.places = append(w.places, place{value.Network, address})
		}
	}
	if m.homes == nil {
		return
	}
	for _, p := range old {
		m.homes[p] = slices.DeleteFunc(m.homes[p], func(known *workload) bool { return known == w })
		if len(m.homes[p]) == 0 {
			delete(m.homes, p)
		}
		m.touchGuests(p)
	}
	for _, p := range w.places {
		m.homes[p] = append(m.homes[p], w)
		m.touchGuests(p)
	}
}

func (m *Merge) touchGuests(p place) {
	for s := range m.guests[p] {
		m.touch(s)
	}
}

// openHomes makes the index of addresses with the first guest: a mesh of one kind of registry does without.
func (m *Merge) openHomes() {
	m.homes = map[place][]*workload{}
	for _, w := range m.workloads {
		for _, p := range w.places {
			m.homes[p] = append(m.homes[p], w)
		}
	}
}

// homeOf returns the workload whose address it is, where that is exactly one.
func (m *Merge) homeOf(network string, address netip.Addr) *discovery.Workload {
	homes := m.homes[place{network, address}]
	if len(homes) != 1 {
		return nil
	}
	return homes[0].value
}
