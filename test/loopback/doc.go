// Package loopback gives each mesh and each registry of tests loopback addresses
// of its own, so that all may use the same ports and keep them while nobody
// listens.
//
// It imports the standard library only. It makes no address: Linux has all of
// 127.0.0.0/8 from the start.
package loopback
