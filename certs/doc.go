// Package certs holds the mesh's identities: the certificate authority in a
// data folder, the leaf certificates that it signs for authenticated
// identities, the trust bundle, the versions by which a reconnecting proxy
// keeps a good certificate, the predicates that say when to renew, and the
// join tokens by which a workload outside Kubernetes proves who it is.
//
// It may import the standard library, go-spiffe's ids and go-jose;
// nothing of ours and nothing of xDS.
//
// It never takes a name from a request: what stands in a certificate comes
// from an authenticated [Identity], and only a public key is signed. It never
// overwrites a key, never writes a workload's private key to disk but by
// [WritePair], which programs without a proxy need, and never
// prints a key or a token: [PrivateKeyPEM] and [Token] show "[redacted]" under
// every verb, in JSON and in logs. It owns no goroutine.
package certs
