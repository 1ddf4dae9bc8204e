package file

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"outrigger.dev/outrigger/discovery"
)

// ParseFile reads the objects of one file. Problems that are no warnings make
// the file a bad one: it is used whole or not at all. Name is what locations
// carry. It is pure and never panics; see the constants for its limits.
func ParseFile(name string, data []byte) ([]*Object, []discovery.Problem) {
	parsed := parse(name, data, nil)
	return parsed.objects, parsed.problems
}

// parsed is what a file says.
type parsed struct {
	// objects are those of the version before where nothing about them changed.
	objects  []*Object
	problems []discovery.Problem
	// known are the file's documents by their content, so that its next version
	// is parsed only where it differs.
	known map[digest]*result
}

type digest [sha256.Size]byte

// result is what one document says where it stands. It is immutable.
type result struct {
	// line is the number of lines before the document.
	line int
	// object is nil when the document is empty or bad.
	object *Object
	// id is as much of the object's name as could be read.
	id     discovery.ObjectID
	faults []fault
}

// bad reports whether the file must not be used.
func (p *parsed) bad() bool {
	return slices.ContainsFunc(p.problems, func(problem discovery.Problem) bool { return !problem.Warning })
}

// parse is ParseFile; before may be what was parsed of an earlier version.
func parse(name string, data []byte, before *parsed) *parsed {
	return newDecoder().file(name, data, before)
}

// file reads a file. Many files may be read one after another.
func (d *decoder) file(name string, data []byte, before *parsed) *parsed {
	p := &parsed{known: make(map[digest]*result)}
	documents := split(data)
	if fault := check(data, documents); fault != nil {
		p.problems = []discovery.Problem{fault.problem(name, discovery.ObjectID{}, 0)}
		return p
	}
	for _, doc := range documents {
		key := digest(sha256.Sum256(doc.text))
		found := p.known[key]
		if found == nil && before != nil {
			found = before.known[key]
		}
		found = d.place(name, doc, found)
		p.known[key] = found
		p.add(name, found)
	}
	p.findDuplicates()
	p.problems = limited(name, p.problems)
	return p
}

// place returns what a document says where it stands. Known may be what the same text says, at this place or another one
// of the same file.
func (d *decoder) place(name string, doc document, known *result) *result {
	switch {
	case known == nil:
		return d.document(doc.text).at(name, doc.line)
	case known.line != doc.line:
		return known.at(name, doc.line)
	}
	return known
}

// at returns what the same document says after another number of lines.
func (r *result) at(name string, line int) *result {
	moved := *r
	moved.line = line
	if r.object != nil {
		object := *r.object
		object.File, object.Line = name, object.Line+line-r.line
		moved.object = &object
	}
	return &moved
}

// add takes in what a document says.
func (p *parsed) add(name string, found *result) {
	for i := range found.faults {
		p.problems = append(p.problems, found.faults[i].problem(name, found.id, found.line))
	}
	if found.object != nil {
		p.objects = append(p.objects, found.object)
	}
}

// findDuplicates refuses two objects with one name in one file: neither goes before the other.
func (p *parsed) findDuplicates() {
	first := make(map[discovery.ObjectID]int, len(p.objects))
	for _, object := range p.objects {
		line, again := first[object.ID]
		if !again {
			first[object.ID] = object.Line
			continue
		}
		p.problems = append(p.problems, discovery.Problem{
			Object: object.ID, Location: object.Location(), Field: "metadata.name", Reason: "Duplicate",
			Message: fmt.Sprintf("the file has this object on line %d already: remove one of the two", line),
		})
	}
}

// limited cuts a list of problems, warnings first: a file that is no mesh at all has one per line.
func limited(file string, problems []discovery.Problem) []discovery.Problem {
	slices.SortStableFunc(problems, func(a, b discovery.Problem) int {
		switch {
		case a.Warning == b.Warning:
			return 0
		case a.Warning:
			return 1
		}
		return -1
	})
	more := len(problems) - maxProblems
	if more <= 0 {
		return problems
	}
	return append(problems[:maxProblems:maxProblems], discovery.Problem{
		Location: file, Reason: "TooMany", Message: fmt.Sprintf("and %d more problems", more), Warning: true,
	})
}

// document reads one document; its lines count from the start of the text.
func (d *decoder) document(text []byte) *result {
	d.faults, d.nodes, d.depth = nil, 0, 0
	found := &result{}
	root, wrong := parseYAML(text)
	if wrong != nil {
		found.faults = []fault{*wrong}
		return found
	}
	if root == nil {
		return found
	}
	object := d.object(root)
	if found.faults = d.faults; object.ID.Name != "" {
		found.id = object.ID
	}
	if !slices.ContainsFunc(d.faults, func(f fault) bool { return !f.warning }) {
		found.object = object
	}
	return found
}

// parseYAML returns the root of a document, nil when it says nothing.
func parseYAML(text []byte) (*yaml.Node, *fault) {
	if len(text) > MaxDocumentSize {
		return nil, &fault{line: 1, reason: "TooLarge", message: fmt.Sprintf("the document has more than %d KiB", MaxDocumentSize>>10)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var node, next yaml.Node
	if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(text, err)
	}
	if err := decoder.Decode(&next); err == nil {
		return nil, &fault{line: next.Line, reason: "Syntax", message: "a further document must begin with a line ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(text, err)
	}
	if node.Kind != yaml.DocumentNode || len(node.Content) != 1 || node.Content[0].ShortTag() == "!!null" {
		return nil, nil
	}
	return node.Content[0], nil
}

// lineInMessage is how the parser begins a message.
var lineInMessage = regexp.MustCompile(`^line (\d+): `)

// syntaxError takes the line out of the parser's message, which has it in its text only.
func syntaxError(text []byte, err error) *fault {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	wrong := &fault{line: unreadableLine(text), reason: "Syntax", message: message}
	if found := lineInMessage.FindStringSubmatch(message); found != nil {
		wrong.line, _ = strconv.Atoi(found[1])
		wrong.message = message[len(found[0]):]
	}
	wrong.message = "not YAML: " + wrong.message
	return wrong
}

// unreadableLine is the line of the first character that is not allowed, which the parser does not tell; 1 when there is none.
func unreadableLine(text []byte) int {
	for at, line := 0, 1; at < len(text); {
		char, size := utf8.DecodeRune(text[at:])
		switch {
		case char == utf8.RuneError && size == 1, char != '\t' && char != '\n' && char != '\r' && unicode.IsControl(char) && char != 0x85:
			return line
		case char == '\n':
			line++
		}
		at += size
	}
	return 1
}
