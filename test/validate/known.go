package validate

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// without clears fields, given by their full names, in a message and in all that it holds. Envoy ignores fields that it does
// not know in what comes by a stream, but not in a bootstrap.
func without(m protoreflect.Message, fields []string) error {
	if packed, ok := m.Interface().(*anypb.Any); ok {
		return withoutPacked(packed, fields)
	}
	for _, name := range fields {
		full := protoreflect.FullName(name)
		if full.Parent() == m.Descriptor().FullName() {
			m.Clear(m.Descriptor().Fields().ByName(full.Name()))
		}
	}
	var err error
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		for _, child := range messagesIn(field, value) {
			if err = without(child, fields); err != nil {
				return false
			}
		}
		return true
	})
	return err
}

// withoutPacked is without for what an extension holds.
func withoutPacked(packed *anypb.Any, fields []string) error {
	inner, err := packed.UnmarshalNew()
	if err != nil {
		return fmt.Errorf("extension %s: %w", packed.GetTypeUrl(), err)
	}
	if err := without(inner.ProtoReflect(), fields); err != nil {
		return err
	}
	return anypb.MarshalFrom(packed, inner, proto.MarshalOptions{Deterministic: true})
}

// messagesIn are the messages that a field holds.
func messagesIn(field protoreflect.FieldDescriptor, value protoreflect.Value) []protoreflect.Message {
	var out []protoreflect.Message
	switch {
	case field.IsMap() && field.MapValue().Message() != nil:
		value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
			out = append(out, v.Message())
			return true
		})
	case field.IsList() && field.Message() != nil:
		for i := range value.List().Len() {
			out = append(out, value.List().Get(i).Message())
		}
	case !field.IsMap() && !field.IsList() && field.Message() != nil:
		out = append(out, value.Message())
	}
	return out
}
