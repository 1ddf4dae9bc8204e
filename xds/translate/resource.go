package translate

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
)

// ShapeVersion is the number of the output's shape: it changes with every change
// of the bytes that equal ir gives.
const ShapeVersion = 1

// Resource is one resource in Envoy's words.
type Resource struct {
	Type cache.Type
	Name string
	// Message is nil where Body is set.
	Message proto.Message
	// Body is the marshalled message, where it is encoded by hand.
	Body []byte
	// Refs are the resources that this one names, sorted.
	Refs []cache.Ref
}

// Marshal returns the bytes of a resource; equal resources have equal bytes.
func Marshal(r Resource) ([]byte, error) {
	if r.Message == nil {
		return r.Body, nil
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.Message)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", r.Type, r.Name, err)
	}
	return body, nil
}
