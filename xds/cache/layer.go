package cache

// LayerID names a layer, such as "mesh" or "class/<hash>".
type LayerID string

// layer is the state of one layer; only the store's writer touches it.
type layer struct {
	full generation
	// groups finds the resources of a group when a scope is made.
	groups map[string]map[Ref]*Resource
	// scoped are the generations of the scopes that some view uses, by the key of the scope.
	scoped map[string]*scopedLayer
	// current are the immutable copies that snapshots hold, by the key of the scope.
	current map[string]*generation
	// byGroup and byNamespace find the scopes that name a group or namespace.
	byGroup, byNamespace map[string]map[string]struct{}
}

// scopedLayer is the part of a layer that one scope holds.
type scopedLayer struct {
	scope Scope
	sets  generation
	users int
}

func newLayer() *layer {
	return &layer{
		groups: map[string]map[Ref]*Resource{}, scoped: map[string]*scopedLayer{}, current: map[string]*generation{},
		byGroup: map[string]map[string]struct{}{}, byNamespace: map[string]map[string]struct{}{},
	}
}

// put stores or, with a nil resource, removes a name, in the layer and in every scope that holds its
// group. It adds the keys of the scopes that changed to dirty and reports whether anything did.
func (l *layer) put(ref Ref, r *Resource, dirty map[string]struct{}) bool {
	old := l.full.sets[ref.Type].Get(ref.Name)
	if old.Equal(r) {
		return false
	}
	l.full.put(ref, r)
	dirty[All.key] = struct{}{}
	if old != nil && (r == nil || old.group != r.group) {
		l.forget(ref, old.group)
		l.putScoped(ref, nil, old.group, dirty)
	}
	if r != nil {
		l.remember(ref, r)
		l.putScoped(ref, r, r.group, dirty)
	}
	return true
}

func (g *generation) put(ref Ref, r *Resource) {
	if r == nil {
		g.sets[ref.Type] = g.sets[ref.Type].Without(ref.Name)
		return
	}
	g.sets[ref.Type] = g.sets[ref.Type].With(r)
}

func (l *layer) remember(ref Ref, r *Resource) {
	members := l.groups[r.group]
	if members == nil {
		members = map[Ref]*Resource{}
		l.groups[r.group] = members
	}
	members[ref] = r
}

func (l *layer) forget(ref Ref, group string) {
	delete(l.groups[group], ref)
	if len(l.groups[group]) == 0 {
		delete(l.groups, group)
	}
}

func (l *layer) putScoped(ref Ref, r *Resource, group string, dirty map[string]struct{}) {
	if group == "" {
		for key, s := range l.scoped {
			s.sets.put(ref, r)
			dirty[key] = struct{}{}
		}
		return
	}
	for key := range l.byGroup[group] {
		l.scoped[key].sets.put(ref, r)
		dirty[key] = struct{}{}
	}
	for key := range l.byNamespace[namespaceOf(group)] {
		l.scoped[key].sets.put(ref, r)
		dirty[key] = struct{}{}
	}
}

// acquire makes the layer keep a generation for the scope; every acquire needs a release.
func (l *layer) acquire(scope Scope) {
	if scope.IsAll() {
		return
	}
	s := l.scoped[scope.key]
	if s == nil {
		s = &scopedLayer{scope: scope, sets: l.within(scope)}
		l.scoped[scope.key] = s
		l.index(scope, true)
	}
	s.users++
}

func (l *layer) release(scope Scope) {
	s := l.scoped[scope.key]
	if s == nil {
		return
	}
	if s.users--; s.users == 0 {
		delete(l.scoped, scope.key)
		delete(l.current, scope.key)
		l.index(scope, false)
	}
}

// within collects what the scope holds now. It costs as much as the scope holds,
// except for scopes of whole namespaces, which look at every group once.
func (l *layer) within(scope Scope) generation {
	var g generation
	l.copyGroup(&g, "")
	for group := range scope.groups {
		l.copyGroup(&g, group)
	}
	if len(scope.namespaces) == 0 {
		return g
	}
	for group := range l.groups {
		if _, ok := scope.namespaces[namespaceOf(group)]; ok && group != "" {
			l.copyGroup(&g, group)
		}
	}
	return g
}

func (l *layer) copyGroup(g *generation, group string) {
	for ref, r := range l.groups[group] {
		g.put(ref, r)
	}
}

func (l *layer) index(scope Scope, add bool) {
	for group := range scope.groups {
		indexKey(l.byGroup, group, scope.key, add)
	}
	for namespace := range scope.namespaces {
		indexKey(l.byNamespace, namespace, scope.key, add)
	}
}

func indexKey(index map[string]map[string]struct{}, value, key string, add bool) {
	if !add {
		delete(index[value], key)
		if len(index[value]) == 0 {
			delete(index, value)
		}
		return
	}
	if index[value] == nil {
		index[value] = map[string]struct{}{}
	}
	index[value][key] = struct{}{}
}

// snapshot returns the immutable content within a scope; the same pointer until it changes.
func (l *layer) snapshot(key string) *generation {
	if g := l.current[key]; g != nil {
		return g
	}
	g := l.full
	if s := l.scoped[key]; s != nil {
		g = s.sets
	}
	l.current[key] = &g
	return &g
}
