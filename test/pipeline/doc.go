// Package pipeline takes folders of YAML, as users write them, through every
// stage up to what each proxy sees, and compares what each stage makes with
// golden files. Between the stages nothing is stored or made up: what one
// returns is what the next one gets, as in the server.
//
// A case is a folder in testdata/in; its golden files in testdata/out begin
// with its name: the model, the rules, the views of the nodes, the Envoy
// resources of each layer by type, and all problems. A layer of a workload class
// is named after the first node that has it, since its real name is a hash.
// What a node sees must pass Envoy's own validation.
//
// It holds tests only. They import all stages, from discovery/file to xds/cache,
// and never the server, whose protocol has tests of its own.
package pipeline
