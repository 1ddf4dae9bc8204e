package apps

import "strings"

// headerClientCert is where a sidecar says whose certificate the caller showed.
const headerClientCert = "x-forwarded-client-cert"

// Answer is what a program says of a request, in JSON.
type Answer struct {
	// Instance is the name of the program that answered.
	Instance string `json:"instance"`
	// Caller is the SPIFFE id of who called; empty for a call in plain text.
	Caller string `json:"caller,omitempty"`
	// Certificate is the SHA-256 of the caller's certificate, in hex.
	Certificate string `json:"certificate,omitempty"`
	// Calls are the answers of the services that were called for this one, in
	// the order of the calls.
	Calls []Answer `json:"calls,omitempty"`
}

// answer tells who answers a request with these headers, and who called.
func answer(instance string, clientCert []string) Answer {
	fields := lastElement(clientCert)
	return Answer{Instance: instance, Caller: fields["URI"], Certificate: fields["Hash"]}
}

// lastElement returns the fields of the last element of x-forwarded-client-cert,
// which the nearest proxy wrote. Values that hold a separator are quoted; none
// of those that are read here can.
func lastElement(values []string) map[string]string {
	text := strings.Join(values, ",")
	text = text[strings.LastIndexByte(text, ',')+1:]
	fields := map[string]string{}
	for field := range strings.SplitSeq(text, ";") {
		if key, value, ok := strings.Cut(field, "="); ok {
			fields[key] = value
		}
	}
	return fields
}
