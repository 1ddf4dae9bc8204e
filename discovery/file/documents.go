package file

import (
	"bytes"
	"fmt"
)

// Limits of what is read. They bound the work that a file can cause.
const (
	// MaxFileSize is the size up to which a file is read, in bytes.
	MaxFileSize = 16 << 20
	// MaxDocumentSize is the size of one document, in bytes; an object in a cluster is smaller.
	MaxDocumentSize = 1 << 20
	// MaxDocuments is the number of documents in a file.
	MaxDocuments = 50_000
	// maxDepth is how deep values nest; the deepest known field has a depth of 8.
	maxDepth = 32
	// maxNodes is how many nodes of a document are visited, aliases followed.
	maxNodes = 200_000
	// maxProblems is how many problems of one file are listed.
	maxProblems = 20
)

// document is the text of one YAML document.
type document struct {
	// line is the number of lines before the text.
	line int
	text []byte
}

// split cuts a file at the lines that begin a document. Nothing else can look
// like such a line: YAML forbids it inside of scalars.
func split(data []byte) []document {
	var documents []document
	start, line, startLine := 0, 0, 0
	for at := 0; at < len(data); line++ {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if at > start && isMarker(data[at:end]) {
			documents = append(documents, document{line: startLine, text: data[start:at]})
			start, startLine = at, line
		}
		at = end
	}
	if start < len(data) {
		documents = append(documents, document{line: startLine, text: data[start:]})
	}
	return documents
}

// isMarker reports whether a line begins a document.
func isMarker(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])))
}

// check returns what is wrong with the sizes of a file, if anything.
func check(data []byte, documents []document) *fault {
	if len(data) > MaxFileSize {
		return &fault{line: 1, reason: "TooLarge", message: fmt.Sprintf("the file has more than %d MiB: split it", MaxFileSize>>20)}
	}
	if len(documents) > MaxDocuments {
		return &fault{
			line: documents[MaxDocuments].line + 1, reason: "TooLarge",
			message: fmt.Sprintf("the file has more than %d documents: split it", MaxDocuments),
		}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return &fault{
			line: 1, reason: "Empty",
			message: "the file is empty: to remove its objects, delete the file or leave a comment in it",
		}
	}
	return nil
}
