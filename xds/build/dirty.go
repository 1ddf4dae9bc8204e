package build

import "slices"

// dirty holds the records to resolve again, each once; its slices are used again in every batch.
type dirty struct {
	services  []*service
	workloads []*workload
	views     []*workload
	proxies   []*proxy
	classes   []*class
}

func (d *dirty) service(s *service) {
	if !s.dirty {
		s.dirty = true
		d.services = append(d.services, s)
	}
}

// port marks one port of a service, if it has it.
func (d *dirty) port(s *service, number uint16) {
	if p := s.port(number); p != nil {
		p.dirty = true
		d.service(s)
	}
}

// listeners marks what the virtual addresses of a service come to.
func (d *dirty) listeners(s *service) {
	s.dirtyListeners = true
	d.service(s)
}

func (d *dirty) workload(w *workload) {
	if !w.dirty {
		w.dirty = true
		d.workloads = append(d.workloads, w)
	}
}

// rules marks a workload for which other rules may count.
func (d *dirty) rules(w *workload) {
	w.dirtyRules = true
	d.workload(w)
}

// view marks what the node of a workload sees.
func (d *dirty) view(w *workload) {
	if !w.dirtyView {
		w.dirtyView = true
		d.views = append(d.views, w)
	}
}

func (d *dirty) proxy(p *proxy) {
	if !p.dirty {
		p.dirty = true
		d.proxies = append(d.proxies, p)
	}
}

func (d *dirty) class(c *class) {
	if !c.dirty {
		c.dirty = true
		d.classes = append(d.classes, c)
	}
}

// takeServices returns the dirty services in the order of their ids, so that retirements are numbered alike every time.
func (d *dirty) takeServices() []*service {
	taken := d.services
	slices.SortFunc(taken, func(a, b *service) int { return a.id.Compare(b.id) })
	d.services = d.services[:0]
	return taken
}
