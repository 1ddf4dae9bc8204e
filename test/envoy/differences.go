package envoy

// Difference is something that Envoys did otherwise before a release. A test asserts it for either side of that
// release, and docs/compatibility.md tells it to users.
type Difference struct {
	// Since is the first release that does as its successors do.
	Since Release
	// What is the ability, Before what older ones do, Why the reason.
	What, Before, Why string
	// Fields are those of Envoy's API that older ones do not know, by their full names. In what comes by a stream they ignore them.
	Fields []string
	// Test is the test that asserts it: folder and name.
	Test string
}

// In says whether a release does as the latest does.
func (d Difference) In(r Release) bool { return !r.Before(d.Since) }

// ConnectAfterHandshake, SpreadAges and NodeOnce are the differences that what the control plane sends can meet.
var (
	ConnectAfterHandshake = Difference{
		Since:  Release{Major: 1, Minor: 37},
		What:   "On a TCP port with mTLS, the application sees a connection only once its caller has proved who it is",
		Before: "the application sees a connection at once; it gets and gives no byte before the proof, and the connection ends without it",
		Why:    "the TCP proxy cannot wait for the handshake",
		Fields: []string{
			"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.upstream_connect_mode",
			"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.max_early_data_bytes",
		},
		Test: "xds/translate.TestApplicationMeetsProvenCallersOnly",
	}
	NodeOnce = Difference{
		Since:  Release{Major: 1, Minor: 38},
		What:   "A stream carries the description of the node once",
		Before: "every request carries it, acknowledgements too; the control plane skips it unread, and it costs network",
		Why:    "the switch for it works with delta ADS from this release on",
		Test:   "xds/bootstrap.TestEnvoySendsItsNodeOnce",
	}
	SpreadAges = Difference{
		Since:  Release{Major: 1, Minor: 39},
		What:   "HTTP connections that were opened together reach their greatest age apart, by up to 10 %",
		Before: "they reach it together",
		Why:    "the HTTP connection manager knows no jitter",
		Fields: []string{"envoy.config.core.v3.HttpProtocolOptions.max_connection_duration_jitter"},
		Test:   "test/validate.TestUnknownFieldsAreThoseOfTheDifferences",
	}
)

// Differences are all of them, oldest first.
func Differences() []Difference { return []Difference{ConnectAfterHandshake, NodeOnce, SpreadAges} }

// Unknown are the fields that a release does not know and that Outrigger sends all the same.
func (r Release) Unknown() []string {
	var fields []string
	for _, d := range Differences() {
		if !d.In(r) {
			fields = append(fields, d.Fields...)
		}
	}
	return fields
}
