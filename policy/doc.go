// Package policy holds the compiled rules of the mesh and resolves them: model
// values and the rules that match them go in, policy/ir values come out.
//
// It imports discovery and policy/ir only. It is pure: no goroutine, clock,
// logger or I/O. It never sees an object of the user's; policy/compile is the
// only place that knows both, and what a rule may hold was checked there.
package policy
