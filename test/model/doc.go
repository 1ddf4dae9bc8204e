// Package model plays seeded histories of a whole mesh in a bubble of synctest: a registry that changes and gets into trouble,
// all stages up to the server, and proxies that refuse, lose their streams and come back, over gRPC and TLS in memory. What
// must never be is looked for in every response, and what must be whenever all is quiet.
//
// It holds tests only. A history is its seed: one that fails is played again by
// go test ./test/model -run TestHistories/SEED, with -histories above the seed.
package model
