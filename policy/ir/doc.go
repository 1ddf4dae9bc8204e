// Package ir holds what a proxy is to do, resolved: upstreams, endpoints, outbound
// and inbound listeners. Every decision has been taken; xds/translate only
// spells it in Envoy's words.
//
// It imports discovery for ids and vocabulary only. Values print as YAML, compare
// with Equal, and are immutable. It never looks anything up.
package ir
