package file

import (
	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// Update is what changed in the folder: the model, the policy objects, and what
// is wrong. All of it are upserts.
type Update struct {
	discovery.Update
	Policies Policies
	// Files holds the full list of problems of each file that is named, warnings included;
	// an empty one says that nothing is wrong any more. The name is empty for
	// what is wrong with the folder.
	Files map[string][]discovery.Problem
	// Revision is that of the folder with this update; see [Revision]. It also changes where no object does.
	Revision string
}

// Policies are policy objects as typed upserts, and where all objects stand; a nil value says that the
// object is gone. They passed Validate. The type is the same as compile.Objects,
// so that one converts to the other.
type Policies struct {
	MeshConfigs            map[discovery.ObjectID]*v1alpha1.MeshConfig
	ProxyConfigs           map[discovery.ObjectID]*v1alpha1.ProxyConfig
	AuthenticationPolicies map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy
	// Locations says where objects stand, as "<file>:<line>"; it is empty for an object that is gone.
	// An object whose place alone changed is named only here.
	Locations map[discovery.ObjectID]string
}

// empty reports whether the update says nothing about objects.
func (u *Update) empty() bool {
	return modelEmpty(&u.Update) && len(u.Policies.MeshConfigs) == 0 && len(u.Policies.ProxyConfigs) == 0 &&
		len(u.Policies.AuthenticationPolicies) == 0 && len(u.Policies.Locations) == 0 && len(u.Files) == 0
}

func modelEmpty(u *discovery.Update) bool {
	return len(u.Services) == 0 && len(u.Endpoints) == 0 && len(u.Workloads) == 0
}
