// Package sourcetest is one suite of what every discovery.Source promises. A
// source's own tests give it a registry to write to, and run it.
//
// It imports discovery and test libraries only, and is never part of a binary.
package sourcetest
