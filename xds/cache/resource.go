package cache

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// Resource is one version of one named resource, encoded once and shared by
// pointer by every stream that sends it. It is immutable.
type Resource struct {
	typ     Type
	name    string
	version string
	hash    uint64 // of the name: the place in a Set
	group   string
	owner   string
	refs    []Ref
	chunk   []byte // field 2 of a DeltaDiscoveryResponse, with tag and length
	any     []byte // the part of chunk that is field 2 of a DiscoveryResponse, with tag and length
}

// ResourceConfig is what NewResource needs.
type ResourceConfig struct {
	Type Type
	Name string
	// Body is the marshalled message, never empty; equal bodies have equal versions.
	Body []byte
	// Version replaces the content hash where it is not empty (secrets).
	Version string
	// Group is what scopes choose by: "<namespace>/<service>", or empty for what every scope holds.
	Group string
	// Owner says which object of the user's this was made from, for errors and debug views.
	Owner string
	// Refs are the resources that this one names.
	Refs []Ref
}

// NewResource encodes a resource.
func NewResource(c ResourceConfig) *Resource {
	r := &Resource{
		typ: c.Type, name: c.Name, version: c.Version, hash: xxhash.Sum64String(c.Name),
		group: c.Group, owner: c.Owner, refs: c.Refs,
	}
	if r.version == "" {
		r.version = contentVersion(c.Body)
	}
	r.encode(c.Body)
	return r
}

// Tombstone returns a resource that hides the one of the same type and name in the layers below.
func Tombstone(t Type, name, group string) *Resource {
	return &Resource{typ: t, name: name, hash: xxhash.Sum64String(name), group: group}
}

func contentVersion(body []byte) string {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(body))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Fields of envoy.service.discovery.v3.Resource, of Any, and of the two responses.
const (
	fieldVersion   = 1
	fieldResource  = 2 // in Resource: the Any
	fieldName      = 3
	fieldTypeURL   = 1
	fieldValue     = 2
	fieldResources = 2 // in DeltaDiscoveryResponse and in DiscoveryResponse alike
)

// encode writes the chunk. The Any within it carries the tag that it also has in a
// state-of-the-world response (both are field 2), so that one buffer serves both.
func (r *Resource) encode(body []byte) {
	url := r.typ.URL()
	anyLen := bytesLen(fieldTypeURL, len(url)) + bytesLen(fieldValue, len(body))
	resLen := bytesLen(fieldVersion, len(r.version)) + bytesLen(fieldResource, anyLen) + bytesLen(fieldName, len(r.name))

	b := make([]byte, 0, bytesLen(fieldResources, resLen))
	b = protowire.AppendTag(b, fieldResources, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(resLen))
	b = appendString(b, fieldVersion, r.version)
	start := len(b)
	b = protowire.AppendTag(b, fieldResource, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(anyLen))
	b = appendString(b, fieldTypeURL, url)
	b = protowire.AppendTag(b, fieldValue, protowire.BytesType)
	b = protowire.AppendBytes(b, body)
	end := len(b)
	b = appendString(b, fieldName, r.name)
	r.chunk, r.any = b, b[start:end:end]
}

func bytesLen(field protowire.Number, n int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// Type returns the kind of the resource.
func (r *Resource) Type() Type { return r.typ }

// Name returns the resource's name.
func (r *Resource) Name() string { return r.name }

// Version returns the hash of the content in 11 characters, or the version that was given.
func (r *Resource) Version() string { return r.version }

// Group returns what scopes choose by.
func (r *Resource) Group() string { return r.group }

// Owner returns the object of the user's that the resource was made from.
func (r *Resource) Owner() string { return r.owner }

// Refs returns the resources that this one names. It must not be changed.
func (r *Resource) Refs() []Ref { return r.refs }

// Chunk returns the encoded element of DeltaDiscoveryResponse.resources, with
// tag and length: chunks may be concatenated. It must not be changed.
func (r *Resource) Chunk() []byte { return r.chunk }

// AnyChunk returns the encoded element of DiscoveryResponse.resources, with tag and length. It must not be changed.
func (r *Resource) AnyChunk() []byte { return r.any }

// Body returns the marshalled message itself. It must not be changed.
func (r *Resource) Body() []byte {
	_, _, n := protowire.ConsumeTag(r.any)
	inner, _ := protowire.ConsumeBytes(r.any[n:])
	_, _, n = protowire.ConsumeTag(inner)
	_, m := protowire.ConsumeBytes(inner[n:])
	inner = inner[n+m:]
	_, _, n = protowire.ConsumeTag(inner)
	body, _ := protowire.ConsumeBytes(inner[n:])
	return body
}

// IsTombstone reports whether the resource only hides one of a lower layer.
func (r *Resource) IsTombstone() bool { return r.chunk == nil }

// Equal reports whether both are the same version of the same resource, made from the same object.
func (r *Resource) Equal(other *Resource) bool {
	if r == nil || other == nil {
		return r == other
	}
	return r.typ == other.typ && r.name == other.name && r.version == other.version &&
		r.group == other.group && r.owner == other.owner && r.IsTombstone() == other.IsTombstone()
}
