package file

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/table"
)

// mesh is what all files say together, and what of it was sent. It is pure; the
// loop owns it. After any number of replace calls, settle must be called before
// pending and problems say the truth.
type mesh struct {
	source discovery.SourceID
	// claims are the objects of all files by their ids, sorted by file: the first one counts.
	claims map[discovery.ObjectID][]*Object
	files  map[string][]*Object
	// fileProblems are what is wrong with the files themselves; objectProblems with objects among others.
	fileProblems   map[string][]discovery.Problem
	objectProblems map[discovery.ObjectID][]conflict
	// dirtyFiles are those whose list of problems may have changed.
	dirtyFiles map[string]bool
	resolver   *resolver

	services  *table.Table[discovery.ServiceID, *discovery.Service]
	endpoints *table.Table[discovery.ShardID, *discovery.EndpointSet]
	workloads *table.Table[discovery.WorkloadID, *discovery.Workload]
	meshes    *table.Table[discovery.ObjectID, *v1alpha1.MeshConfig]
	proxies   *table.Table[discovery.ObjectID, *v1alpha1.ProxyConfig]
	peers     *table.Table[discovery.ObjectID, *v1alpha1.AuthenticationPolicy]
	locations *table.Table[discovery.ObjectID, string]
	problems  *table.Table[string, []discovery.Problem]
}

// conflict is what is wrong with an object because of others.
type conflict struct {
	field   string
	reason  string
	message string
	warning bool
}

func newMesh(source discovery.SourceID) *mesh {
	return &mesh{
		source:         source,
		claims:         make(map[discovery.ObjectID][]*Object),
		files:          make(map[string][]*Object),
		fileProblems:   make(map[string][]discovery.Problem),
		objectProblems: make(map[discovery.ObjectID][]conflict),
		dirtyFiles:     make(map[string]bool),
		resolver:       newResolver(),
		services:       table.New[discovery.ServiceID]((*discovery.Service).Equal),
		endpoints:      table.New[discovery.ShardID]((*discovery.EndpointSet).Equal),
		workloads:      table.New[discovery.WorkloadID]((*discovery.Workload).Equal),
		meshes:         table.New[discovery.ObjectID](equalBy(func(o *v1alpha1.MeshConfig) *v1alpha1.MeshConfigSpec { return &o.Spec })),
		proxies:        table.New[discovery.ObjectID](equalBy(func(o *v1alpha1.ProxyConfig) *v1alpha1.ProxyConfigSpec { return &o.Spec })),
		peers:          table.New[discovery.ObjectID](equalBy(func(o *v1alpha1.AuthenticationPolicy) *v1alpha1.AuthenticationPolicySpec { return &o.Spec })),
		locations:      table.New[discovery.ObjectID](func(a, b string) bool { return a == b }),
		problems:       table.New[string](slices.Equal[[]discovery.Problem]),
	}
}

// equalBy compares objects by what they ask for; nil equals nil alone.
func equalBy[O, S any](spec func(*O) *S) func(a, b *O) bool {
	return func(a, b *O) bool {
		if a == nil || b == nil {
			return a == b
		}
		return reflect.DeepEqual(spec(a), spec(b))
	}
}

// replace puts the objects of a file in the place of those that it had. What stays the same object costs nothing.
func (m *mesh) replace(file string, objects []*Object) {
	gone, come := withoutCommon(m.files[file], objects)
	touched := make(map[discovery.ObjectID]bool, len(come))
	for _, object := range gone {
		m.withdraw(object)
		touched[object.ID] = true
	}
	if m.files[file] = objects; len(objects) == 0 {
		delete(m.files, file)
	}
	for _, object := range come {
		m.claim(object)
		touched[object.ID] = true
	}
	m.dirtyFiles[file] = true
	for id := range touched {
		m.decide(id)
	}
}

// withoutCommon returns both lists without what they begin and end with alike.
func withoutCommon(a, b []*Object) (restA, restB []*Object) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// report sets what is wrong with a file by itself.
func (m *mesh) report(file string, problems []discovery.Problem) {
	if m.fileProblems[file] = problems; len(problems) == 0 {
		delete(m.fileProblems, file)
	}
	m.dirtyFiles[file] = true
}

func (m *mesh) claim(object *Object) {
	claims := append(m.claims[object.ID], object)
	slices.SortFunc(claims, func(a, b *Object) int { return cmp.Compare(a.File, b.File) })
	m.claims[object.ID] = claims
}

func (m *mesh) withdraw(object *Object) {
	claims := slices.DeleteFunc(m.claims[object.ID], func(o *Object) bool { return o == object })
	if m.claims[object.ID] = claims; len(claims) == 0 {
		delete(m.claims, object.ID)
	}
}

// decide puts the first object of that name into use.
func (m *mesh) decide(id discovery.ObjectID) {
	claims := m.claims[id]
	for _, object := range claims {
		m.dirtyFiles[object.File] = true
	}
	if len(claims) == 0 {
		delete(m.objectProblems, id)
		m.drop(id)
		return
	}
	m.use(claims[0])
}

func (m *mesh) use(object *Object) {
	switch {
	case object.service != nil:
		m.resolver.putService(object)
	case object.workload != nil:
		model := *object.workload.Model
		model.Origin.Location = object.Location()
		m.workloads.Put(model.ID, &model)
		m.resolver.putWorkload(object.workload)
	case object.MeshConfig != nil:
		m.meshes.Put(object.ID, object.MeshConfig)
	case object.ProxyConfig != nil:
		m.proxies.Put(object.ID, object.ProxyConfig)
	case object.AuthenticationPolicy != nil:
		m.peers.Put(object.ID, object.AuthenticationPolicy)
	}
	m.locations.Put(object.ID, object.Location())
}

func (m *mesh) drop(id discovery.ObjectID) {
	switch id.Kind {
	case kindService:
		m.resolver.removeService(discovery.ServiceID{Namespace: id.Namespace, Name: id.Name})
	case v1alpha1.KindWorkload:
		workload := discovery.WorkloadID{Namespace: id.Namespace, Name: id.Name}
		m.workloads.Remove(workload)
		m.resolver.removeWorkload(workload)
	case v1alpha1.KindMeshConfig:
		m.meshes.Remove(id)
	case v1alpha1.KindProxyConfig:
		m.proxies.Remove(id)
	case v1alpha1.KindAuthenticationPolicy:
		m.peers.Remove(id)
	}
	m.locations.Remove(id)
}

// settle resolves the services that changes touched, and lists the problems anew where they may differ: those files it returns, sorted.
func (m *mesh) settle() []string {
	for id := range m.resolver.takeDirty() {
		m.resolve(id)
	}
	judged := slices.Sorted(maps.Keys(m.dirtyFiles))
	for _, file := range judged {
		if found := m.problemsOf(file); len(found) > 0 {
			m.problems.Put(file, found)
		} else {
			m.problems.Remove(file)
		}
	}
	clear(m.dirtyFiles)
	return judged
}

// resolve builds what the mesh sees of one service.
func (m *mesh) resolve(id discovery.ServiceID) {
	shard := discovery.ShardID{Service: id, Source: m.source}
	object := m.resolver.services[id]
	if object == nil {
		m.services.Remove(id)
		m.endpoints.Remove(shard)
		return
	}
	model, set, conflicts := m.resolver.resolve(object, shard)
	m.services.Put(id, model)
	if set == nil {
		m.endpoints.Remove(shard)
	} else {
		m.endpoints.Put(shard, set)
	}
	if !slices.Equal(conflicts, m.objectProblems[object.ID]) {
		m.objectProblems[object.ID] = conflicts
		m.dirtyFiles[object.File] = true
	}
}

// pending returns everything that differs from what was sent.
func (m *mesh) pending() Update {
	return Update{
		Update: discovery.Update{
			Source:    m.source,
			Services:  m.services.Pending(),
			Endpoints: m.endpoints.Pending(),
			Workloads: m.workloads.Pending(),
		},
		Policies: Policies{
			MeshConfigs:            m.meshes.Pending(),
			ProxyConfigs:           m.proxies.Pending(),
			AuthenticationPolicies: m.peers.Pending(),
			Locations:              m.locations.Pending(),
		},
		Files: m.problems.Pending(),
	}
}

// commit says that what is pending was sent.
func (m *mesh) commit() {
	m.services.Commit()
	m.endpoints.Commit()
	m.workloads.Commit()
	m.meshes.Commit()
	m.proxies.Commit()
	m.peers.Commit()
	m.locations.Commit()
	m.problems.Commit()
}
