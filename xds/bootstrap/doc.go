// Package bootstrap renders the folder that a workload's Envoy starts from:
//
//	bootstrap.yaml   who the proxy is and where its control plane is
//	token_sds.yaml   tells Envoy to read the file token and to look again when the folder changes
//	roots_sds.yaml   the same for roots.pem
//	roots.pem        what the control plane's certificate is verified with
//	token            the join token, which is not this package's: Write puts an empty file where there is none
//
// An Envoy that starts from it needs no flag but the path of bootstrap.yaml,
// no agent beside it, and no restart when its token or the roots change: each
// is a file that is moved into the folder.
//
// It may import Envoy's API and protobuf; nothing of ours: a bootstrap is made
// from its arguments. It never opens a connection, never looks up a name and
// never handles a token.
package bootstrap
