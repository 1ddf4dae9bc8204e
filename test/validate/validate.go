// Package validate judges Envoy resources before any proxy has them: by the rules of Envoy's API, and by the real
// Envoy's own look at a bootstrap that holds them.
//
// It imports test/envoy and the messages of Envoy's API. It knows nothing of what made the resources, and runs no proxy.
package validate

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	"outrigger.dev/outrigger/test/envoy"
)

// Resources checks clusters, assignments, listeners and route configurations as a node of that id would get them. The
// error holds what breaks a rule of Envoy's API, and what `envoy --mode validate` said; an older Envoy does not see the fields
// that it is known to ignore (envoy.Difference). The messages are not changed.
func Resources(ctx context.Context, node string, messages []proto.Message) error {
	var errs []error
	for _, m := range messages {
		if err := rules(m); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", m.ProtoReflect().Descriptor().Name(), nameOf(m), err))
		}
	}
	release, err := envoy.Running(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	text, err := bootstrap(node, messages, release.Unknown())
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, envoy.Validate(ctx, text))...)
}

// rules applies the rules of Envoy's API to a message and to every extension within it.
func rules(m proto.Message) error {
	return protorange.Range(m.ProtoReflect(), func(p protopath.Values) error {
		value, ok := p.Index(-1).Value.Interface().(protoreflect.Message)
		if !ok {
			return nil
		}
		if v, ok := value.Interface().(interface{ ValidateAll() error }); ok {
			return v.ValidateAll()
		}
		return nil
	})
}

// nameOf returns the name by which a resource is asked for.
func nameOf(m proto.Message) string {
	switch m := m.(type) {
	case interface{ GetName() string }:
		return m.GetName()
	case interface{ GetClusterName() string }:
		return m.GetClusterName()
	default:
		return "without a name"
	}
}
