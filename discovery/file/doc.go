// Package file is the source that reads a folder of YAML: core/v1 Service and
// the kinds of outrigger.dev. It resolves selectors and hands the model and the
// policy objects on.
//
// It imports discovery and what sources share under its internal, api and
// k8s.io/api, and never policy. One goroutine,
// that of Run, owns everything it knows. It never lets go of the last good
// content of a file because of what it cannot read or understand: only a file,
// or an object in a good file, that was deleted is a removal.
//
// The work is split into steps that know nothing of each other: documents and
// decode (bytes to objects, pure), mesh (objects of all files to model values,
// pure), folder (what is on disk), watch (what the kernel tells), source (the loop).
package file
