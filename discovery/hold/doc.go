// Package hold stands around every source and decides what of its word is
// believed. While a source is in trouble nothing that went missing is gone, and
// what is missing in masses shortly after has to be confirmed or to last.
// What the registry itself says of the world, such as of a machine that does
// not answer any more, is believed all the same.
//
// It imports discovery, and policy/compile and api for policies, which are held
// in the same way. The rules are in Keeper and PolicyKeeper, which are pure: no
// goroutine, clock, logger or I/O, and one writer each. Held and Policies are
// the goroutines around them; File keeps the last good state on a disk.
//
// It never adds anything to what a source says, never keeps back what is new,
// and passes a healthy source's updates on as they are.
package hold
