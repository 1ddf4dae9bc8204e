package file

import (
	"cmp"
	"reflect"
	"slices"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// mesh is what all files say together, and what of it was sent. It is pure; the
// loop owns it. After any number of replace calls, settle must be called before
// pending and problems say the truth.
type mesh struct {
	source discovery.SourceID
	// claims are the objects of all files by their ids, sorted by file: the first one counts.
	claims map[discovery.ObjectID][]*Object
	files  map[string][]Object
	// fileProblems are what is wrong with the files themselves; objectProblems with objects among others.
	fileProblems   map[string][]discovery.Problem
	objectProblems map[discovery.ObjectID][]conflict
	// dirtyFiles are those whose list of problems may have changed.
	dirtyFiles map[string]bool
	resolver   *resolver

	services  *table[discovery.ServiceID, *discovery.Service]
	endpoints *table[discovery.ShardID, *discovery.EndpointSet]
	workloads *table[discovery.WorkloadID, *discovery.Workload]
	meshes    *table[discovery.ObjectID, *v1alpha1.MeshConfig]
	proxies   *table[discovery.ObjectID, *v1alpha1.ProxyConfig]
	peers     *table[discovery.ObjectID, *v1alpha1.AuthenticationPolicy]
	locations *table[discovery.ObjectID, string]
	problems  *table[string, []discovery.Problem]
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
		files:          make(map[string][]Object),
		fileProblems:   make(map[string][]discovery.Problem),
		objectProblems: make(map[discovery.ObjectID][]conflict),
		dirtyFiles:     make(map[string]bool),
		resolver:       newResolver(),
		services:       newTable[discovery.ServiceID]((*discovery.Service).Equal),
		endpoints:      newTable[discovery.ShardID]((*discovery.EndpointSet).Equal),
		workloads:      newTable[discovery.WorkloadID]((*discovery.Workload).Equal),
		meshes: newTable[discovery.ObjectID](func(a, b *v1alpha1.MeshConfig) bool {
			return reflect.DeepEqual(a.Spec, b.Spec)
		}),
		proxies: newTable[discovery.ObjectID](func(a, b *v1alpha1.ProxyConfig) bool {
			return reflect.DeepEqual(a.Spec, b.Spec)
		}),
		peers: newTable[discovery.ObjectID](func(a, b *v1alpha1.AuthenticationPolicy) bool {
			return reflect.DeepEqual(a.Spec, b.Spec)
		}),
		locations: newTable[discovery.ObjectID](func(a, b string) bool { return a == b }),
		problems:  newTable[string](slices.Equal[[]discovery.Problem]),
	}
}

// replace puts the objects of a file in the place of those that it had.
func (m *mesh) replace(file string, objects []Object) {
	touched := make(map[discovery.ObjectID]bool)
	for i := range m.files[file] {
		m.withdraw(&m.files[file][i])
		touched[m.files[file][i].ID] = true
	}
	if m.files[file] = objects; len(objects) == 0 {
		delete(m.files, file)
	}
	for i := range objects {
		m.claim(&objects[i])
		touched[objects[i].ID] = true
	}
	m.dirtyFiles[file] = true
	for id := range touched {
		m.decide(id)
	}
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
		model := *object.workload.model
		model.Origin.Location = object.Location()
		m.workloads.put(model.ID, &model)
		m.resolver.putWorkload(object.workload)
	case object.MeshConfig != nil:
		m.meshes.put(object.ID, object.MeshConfig)
	case object.ProxyConfig != nil:
		m.proxies.put(object.ID, object.ProxyConfig)
	case object.AuthenticationPolicy != nil:
		m.peers.put(object.ID, object.AuthenticationPolicy)
	}
	m.locations.put(object.ID, object.Location())
}

func (m *mesh) drop(id discovery.ObjectID) {
	switch id.Kind {
	case kindService:
		m.resolver.removeService(discovery.ServiceID{Namespace: id.Namespace, Name: id.Name})
	case v1alpha1.KindWorkload:
		workload := discovery.WorkloadID{Namespace: id.Namespace, Name: id.Name}
		m.workloads.remove(workload)
		m.resolver.removeWorkload(workload)
	case v1alpha1.KindMeshConfig:
		m.meshes.remove(id)
	case v1alpha1.KindProxyConfig:
		m.proxies.remove(id)
	case v1alpha1.KindAuthenticationPolicy:
		m.peers.remove(id)
	}
	m.locations.remove(id)
}

// settle resolves the services that changes touched, and lists the problems anew where they may differ.
func (m *mesh) settle() {
	for id := range m.resolver.takeDirty() {
		m.resolve(id)
	}
	for file := range m.dirtyFiles {
		if found := m.problemsOf(file); len(found) > 0 {
			m.problems.put(file, found)
		} else {
			m.problems.remove(file)
		}
	}
	clear(m.dirtyFiles)
}

// resolve builds what the mesh sees of one service.
func (m *mesh) resolve(id discovery.ServiceID) {
	shard := discovery.ShardID{Service: id, Source: m.source}
	object := m.resolver.services[id]
	if object == nil {
		m.services.remove(id)
		m.endpoints.remove(shard)
		return
	}
	model, set, conflicts := m.resolver.resolve(object, shard)
	m.services.put(id, model)
	if set == nil {
		m.endpoints.remove(shard)
	} else {
		m.endpoints.put(shard, set)
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
			Services:  m.services.pending(),
			Endpoints: m.endpoints.pending(),
			Workloads: m.workloads.pending(),
		},
		Policies: Policies{
			MeshConfigs:            m.meshes.pending(),
			ProxyConfigs:           m.proxies.pending(),
			AuthenticationPolicies: m.peers.pending(),
			Locations:              m.locations.pending(),
		},
		Files: m.problems.pending(),
	}
}

// commit says that what is pending was sent.
func (m *mesh) commit() {
	m.services.commit()
	m.endpoints.commit()
	m.workloads.commit()
	m.meshes.commit()
	m.proxies.commit()
	m.peers.commit()
	m.locations.commit()
	m.problems.commit()
}
