// Package rig gives a test a mesh of test/mesh of its own, which ends with the
// test; what a failed test leaves behind stays there to be read. Whatever goes
// wrong in setting up fails the test.
//
// It may import the other helpers under test. It never looks into the product,
// and says nothing of what runs in the mesh: that is the test's.
package rig
