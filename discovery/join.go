package discovery

// JoinRule is a Join that somebody else than the service itself says.
type JoinRule struct {
	// Object and Field are where it stands, such as MeshConfig default and "spec.joins[0]".
	Object  ObjectID
	Field   string
	Service ServiceID
	Join    Join
}

// Equal reports whether both are the same rule, said at the same place.
func (r *JoinRule) Equal(other *JoinRule) bool {
	return r.Object == other.Object && r.Field == other.Field && r.Service == other.Service && r.Join.Equal(&other.Join)
}
