// Package cli is how all of Outrigger's commands behave: signals, exit codes, errors that say
// what, why and what next, formats of output, and the version.
//
// It imports cobra and nothing of ours. It knows no command, and never ends the process
// except at a second signal.
package cli
