// Package capture tests captured pods as users have them: the real control plane on a node, and in each pod an
// unmodified Envoy of its own user behind the rules of deploy/capture. It holds no product code.
package capture
