package policy

import (
	"time"

	"outrigger.dev/outrigger/policy/ir"
)

// What counts where nobody says otherwise. Each is a promise to users (docs/configuration.md), and each has its reason.
const (
	// DefaultMode lets a mesh be introduced workload by workload: whoever has a sidecar is spoken
	// to by mTLS at once, whoever has none is still answered. Strict is a decision, not a surprise.
	DefaultMode = ir.Permissive

	// DefaultUnknown keeps an application working that talks to addresses the mesh does not know, such as
	// a database outside; what it reached before it had a sidecar, it reaches with one.
	DefaultUnknown = ir.Allow

	// ConnectTimeout, of TCP and TLS together, is long enough for a lost SYN (1 s), and short enough for several endpoints to be
	// tried before a caller's usual 10 s are over: machines that are gone do not refuse, they are silent.
	ConnectTimeout = 2 * time.Second

	// IdleTimeout ends requests on whose stream nothing moves. An hour outlives the keep-alives of streams, and
	// still frees what a lost peer left behind. It is also what Envoy gives a connection without
	// traffic, which is not configured: no edit may change a listener.
	IdleTimeout = time.Hour

	// UpstreamIdleTimeout is below Envoy's hour, so that of two sidecars the one that opened a connection
	// closes it: the other way round, a request can meet a connection that is just being closed.
	UpstreamIdleTimeout = 55 * time.Minute

	// MaxConnectionDuration bounds for how long a connection outlives the certificate, the
	// roots or the mode under which it was made: those act on new handshakes only.
	MaxConnectionDuration = time.Hour

	// InboundMaxConnectionDuration is above MaxConnectionDuration and its jitter, for the reason of
	// UpstreamIdleTimeout; it bounds the clients that do not bound themselves.
	InboundMaxConnectionDuration = 75 * time.Minute

	// PanicThreshold: with fewer healthy endpoints than this, in percent, all are used. So many at once
	// are more often a fault of what judges them than of themselves, and the healthy rest would be overrun.
	PanicThreshold = 50

	// EjectionFailures of connecting in a row: one may be a restart, three are an endpoint that is gone.
	EjectionFailures = 3
	// EjectionInterval is how often it is looked at whether an endpoint may come back.
	EjectionInterval = 5 * time.Second
	// EjectionBaseTime is how long an endpoint stays out, times the number of its ejections.
	EjectionBaseTime = 10 * time.Second
	// EjectionMaxPercent keeps half of the endpoints in, so that a fault of the client's own network
	// does not take a whole service from it.
	EjectionMaxPercent = 50

	// DNSRefresh is for answers without a lifetime of their own, which Consul's are by default: often enough to follow
	// instances, rarely enough for a name server that every sidecar asks.
	DNSRefresh = 5 * time.Second
	// DNSRetry and DNSRetryMax bound how long a name that could not be resolved stays away, without
	// a storm on a name server that is in trouble.
	DNSRetry    = time.Second
	DNSRetryMax = 10 * time.Second

	// RequestRetries reach ten endpoints: with half of them gone, all ten are dead for one request in a thousand, until the dead
	// are ejected. Only requests that no server began with are tried again, so that none works twice. A live server that
	// refuses is tried as often; the pauses between retries and their bound in all limit what its overload grows by.
	RequestRetries = 9
)

func defaultEjection() ir.Ejection {
	return ir.Ejection{
		ConsecutiveFailures: EjectionFailures,
		Interval:            EjectionInterval,
		BaseTime:            EjectionBaseTime,
		MaxPercent:          EjectionMaxPercent,
	}
}
