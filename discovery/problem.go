package discovery

import "fmt"

// Problem is something wrong with one object of the user's. It is a value, not
// an error to be returned: one bad object never stops the others.
type Problem struct {
	// Object is the object at fault.
	Object ObjectID
	// Location is where it stands, such as "mesh.yaml:12"; it may be empty.
	Location string
	// Field is the path of the field at fault, such as "spec.ports[0].port"; it may be empty.
	Field string
	// Reason is one CamelCase word for conditions and metrics, such as "Duplicate".
	Reason string
	// Message says what is wrong and what to do, as a fragment without a full stop.
	Message string
	// Warning says that the object is used all the same.
	Warning bool
}

// String returns "location: object: field: message", without the parts that are empty.
func (p Problem) String() string {
	text := p.Message
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if p.Object != (ObjectID{}) {
		text = p.Object.String() + ": " + text
	}
	if p.Location != "" {
		text = fmt.Sprintf("%s: %s", p.Location, text)
	}
	return text
}
