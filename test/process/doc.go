// Package process runs the programs of tests and of the demo as real processes:
// each writes a log file, is ended by its own pid, and never outlives who
// started it.
//
// It imports the standard library only. It knows nothing of what it runs, and
// starts nothing again that has ended.
package process
