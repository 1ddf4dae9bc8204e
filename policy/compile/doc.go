// Package compile turns the user's policy objects into rules, and says what is
// wrong with them. It is the only place that knows both sides.
//
// It imports api, discovery, policy and policy/ir. It is pure: no goroutine,
// clock, logger or I/O; a Compiler has one writer. It never gives a rule that
// it could not check, and never takes a rule away because the object that it
// came from turned bad: a policy with a mistake in it must not open access.
package compile
