package discovery

import (
	"slices"
	"strings"
)

// ProtocolOf says what is spoken on a service port: what appProtocol says,
// else what the name of the port says up to its first hyphen ("http-web"),
// else TCP where a number is that of a well-known protocol in which the server
// speaks first, else Detect. It gives Detect and false for an appProtocol that
// is set and means nothing here.
//
// Numbers are the port and, where it is known, the target port. Server-first
// ports are not detected, since a proxy that waits for the client's first byte
// before it connects keeps both sides waiting.
func ProtocolOf(appProtocol, portName string, numbers ...uint16) (Protocol, bool) {
	if appProtocol != "" {
		return parseProtocol(strings.ToLower(appProtocol))
	}
	prefix, _, _ := strings.Cut(strings.ToLower(portName), "-")
	if protocol, known := parseProtocol(prefix); known {
		return protocol, true
	}
	if slices.ContainsFunc(numbers, serverFirst) {
		return TCP, true
	}
	return Detect, true
}

// parseProtocol knows the values of appProtocol: those that Kubernetes and IANA
// define, and the usual names of protocols that the mesh carries as bytes.
// "outrigger.dev/detect" asks for detection where a name or number says otherwise.
func parseProtocol(name string) (Protocol, bool) {
	switch name {
	case "http", "ws", "kubernetes.io/ws":
		return HTTP, true
	case "http2", "h2c", "kubernetes.io/h2c":
		return HTTP2, true
	case "grpc":
		return GRPC, true
	case "tls", "https", "wss", "kubernetes.io/wss", "ldaps", "smtps", "imaps", "pop3s", "ftps", "amqps", "mqtts":
		return TLS, true
	case "tcp", "mysql", "postgres", "postgresql", "mongo", "mongodb", "redis", "memcached", "cassandra", "kafka",
		"amqp", "mqtt", "nats", "ldap", "smtp", "imap", "pop3", "ftp", "ssh":
		return TCP, true
	case "outrigger.dev/detect":
		return Detect, true
	}
	return Detect, false
}

// serverFirst knows the ports on which the server sends the first byte: FTP,
// SSH, Telnet, SMTP (25, 587, 2525), POP3, NNTP, IMAP, MySQL, Subversion,
// ManageSieve, NATS and VNC. Left out on purpose are ports whose clients speak
// first, which detection serves well: those of TLS (443, 465, 993, 995, 6697),
// PostgreSQL, Redis, MongoDB, Kafka, LDAP and the like.
func serverFirst(port uint16) bool {
	switch port {
	case 21, 22, 23, 25, 110, 119, 143, 587, 2525, 3306, 3690, 4190, 4222, 5900:
		return true
	}
	return false
}
