package file

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// fault is something wrong at a line of a document.
type fault struct {
	// line counts from 1, from the start of the document's text.
	line    int
	field   string
	reason  string
	message string
	warning bool
}

// decoder puts YAML nodes into Go values by their json tags, and strictly: what
// it cannot place is a fault at the line where it stands. Null means absent, as
// in a cluster.
type decoder struct {
	// fields remembers the fields of types.
	fields map[reflect.Type]map[string][]int
	faults []fault
	// nodes and depth bound what a document can cost.
	nodes int
	depth int
}

func newDecoder() *decoder { return &decoder{fields: make(map[reflect.Type]map[string][]int)} }

func (d *decoder) fault(n *yaml.Node, at *field.Path, reason, message string) {
	d.faults = append(d.faults, fault{line: n.Line, field: text(at), reason: reason, message: message})
}

// text is the path as users read it; the root has none.
func text(at *field.Path) string {
	if at == nil {
		return ""
	}
	return at.String()
}

// decode puts a node into v, which can be set.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, at *field.Path) {
	if d.nodes++; d.nodes > maxNodes || d.depth > maxDepth {
		d.tooMuch(n, at)
		return
	}
	d.depth++
	defer func() { d.depth-- }()
	if n.Kind == yaml.AliasNode {
		d.decode(n.Alias, v, at)
		return
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), at)
		return
	}
	if custom, ok := reflect.TypeAssert[json.Unmarshaler](v.Addr()); ok {
		d.custom(n, custom, at)
		return
	}
	d.plain(n, v, at)
}

// tooMuch says once that a document is too deep or too large.
func (d *decoder) tooMuch(n *yaml.Node, at *field.Path) {
	if len(d.faults) > 0 && d.faults[len(d.faults)-1].reason == "TooLarge" {
		return
	}
	d.fault(n, at, "TooLarge", fmt.Sprintf(
		"the document nests deeper than %d or has more than %d values, aliases counted where they are used", maxDepth, maxNodes))
}

func (d *decoder) plain(n *yaml.Node, v reflect.Value, at *field.Path) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, at)
	case reflect.Map:
		d.mapping(n, v, at)
	case reflect.Slice:
		d.list(n, v, at)
	case reflect.String:
		d.str(n, v, at)
	case reflect.Bool:
		d.boolean(n, v, at)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.integer(n, v, at)
	default:
		d.fault(n, at, "Unsupported", "this field is not read from files: remove it")
	}
}

// custom decodes what knows its own JSON form, such as a number or a name.
func (d *decoder) custom(n *yaml.Node, into json.Unmarshaler, at *field.Path) {
	var value any
	err := n.Decode(&value)
	if err == nil {
		var data []byte
		if data, err = json.Marshal(value); err == nil {
			err = into.UnmarshalJSON(data)
		}
	}
	if err != nil {
		d.fault(n, at, "WrongType", fmt.Sprintf("must not be %s", kindOf(n)))
	}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, at *field.Path) {
	known := d.fieldsOf(v.Type())
	d.pairs(n, at, func(key, value *yaml.Node) {
		child := childPath(at, key.Value)
		index, ok := known[key.Value]
		if !ok {
			d.fault(key, child, "UnknownField", unknownField(key.Value, known))
			return
		}
		d.decode(value, v.FieldByIndex(index), child)
	})
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, at *field.Path) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, at, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, element, at.Key(key.Value))
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), element)
	})
}

// pairs gives every key once; keys that are no strings or stand twice are faults.
func (d *decoder) pairs(n *yaml.Node, at *field.Path, each func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, at, "WrongType", "must be a mapping of fields, not "+kindOf(n))
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.ShortTag() == "!!merge":
			d.fault(key, at, "Unsupported", "merge keys (<<) are not read: write the fields out")
		case key.Kind != yaml.ScalarNode || !isString(key):
			d.fault(key, at, "WrongType", "keys must be strings: put them in quotes")
		case seen[key.Value] != 0:
			d.fault(key, childPath(at, key.Value), "Duplicate",
				fmt.Sprintf("stands %s already: remove one of the two", d.ago(key.Line-seen[key.Value])))
		default:
			seen[key.Value] = key.Line
			each(key, n.Content[i+1])
		}
	}
}

// ago says where an earlier line is, in a form that holds wherever the document stands in its file.
func (d *decoder) ago(lines int) string {
	switch lines {
	case 0:
		return "on the same line"
	case 1:
		return "on the line above"
	}
	return fmt.Sprintf("%d lines above", lines)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, at *field.Path) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, at, "WrongType", "must be a list, not "+kindOf(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, element := range n.Content {
		d.decode(element, v.Index(i), at.Index(i))
	}
}

func (d *decoder) str(n *yaml.Node, v reflect.Value, at *field.Path) {
	if n.Kind != yaml.ScalarNode || !isString(n) {
		message := "must be a string, not " + kindOf(n)
		if n.Kind == yaml.ScalarNode {
			message += ": put it in quotes"
		}
		d.fault(n, at, "WrongType", message)
		return
	}
	v.SetString(n.Value)
}

// isString reports whether a scalar is a string in a cluster too; dates are, since JSON has none.
func isString(n *yaml.Node) bool {
	tag := n.ShortTag()
	return tag == "!!str" || tag == "!!timestamp"
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, at *field.Path) {
	var value bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(&value) != nil {
		d.fault(n, at, "WrongType", "must be true or false, not "+kindOf(n))
		return
	}
	v.SetBool(value)
}

// wholeNumber is one that YAML takes for a number with a fraction when it is large.
var wholeNumber = regexp.MustCompile(`^[-+]?[0-9]+$`)

func (d *decoder) integer(n *yaml.Node, v reflect.Value, at *field.Path) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" && (n.ShortTag() != "!!float" || !wholeNumber.MatchString(n.Value)) {
		d.fault(n, at, "WrongType", "must be a whole number, not "+kindOf(n))
		return
	}
	var value int64
	if err := n.Decode(&value); err != nil || v.OverflowInt(value) {
		d.fault(n, at, "Invalid", "the number is out of range: "+n.Value)
		return
	}
	v.SetInt(value)
}

// kindOf names what a node is, for messages.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return map[string]string{
			"!!str": "a string", "!!int": "a number", "!!float": "a number with a fraction",
			"!!bool": "true or false", "!!timestamp": "a date",
		}[n.ShortTag()] + fmt.Sprintf(" (%s)", shorten(n.Value))
	}
	return "this"
}

func shorten(value string) string {
	if runes := []rune(value); len(runes) > 40 {
		return string(runes[:40]) + "..."
	}
	return value
}

func childPath(at *field.Path, name string) *field.Path {
	if at == nil {
		return field.NewPath(name)
	}
	return at.Child(name)
}
