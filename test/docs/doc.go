// Package docs tests what the documents say: commands marked to be run are run, in the order in which a reader meets them,
// and YAML is read as the server would read it. It holds no product code.
package docs
