package cache

// Type is a kind of resource that the engine serves.
type Type uint8

// The types, in the order in which a change is sent (make before break).
const (
	Cluster Type = iota
	Endpoints
	Secret
	Listener
	Route
	// NumTypes is how many there are.
	NumTypes = int(Route) + 1
)

const typePrefix = "type.googleapis.com/"

var typeURLs = [NumTypes]string{
	Cluster:   typePrefix + "envoy.config.cluster.v3.Cluster",
	Endpoints: typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment",
	Secret:    typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret",
	Listener:  typePrefix + "envoy.config.listener.v3.Listener",
	Route:     typePrefix + "envoy.config.route.v3.RouteConfiguration",
}

var typeNames = [NumTypes]string{
	Cluster: "cluster", Endpoints: "endpoints", Secret: "secret", Listener: "listener", Route: "route",
}

// URL returns the type URL that xDS carries.
func (t Type) URL() string { return typeURLs[t] }

// String returns the lower-case short name: "cluster", "endpoints", "secret", "listener" or "route".
func (t Type) String() string {
	if int(t) < NumTypes {
		return typeNames[t]
	}
	return "unknown"
}

// TypeOf returns the type of a URL; ok is false for one that is not served.
func TypeOf(url string) (t Type, ok bool) {
	for i, u := range typeURLs {
		if u == url {
			return Type(i), true
		}
	}
	return 0, false
}

// Ref names another resource that a resource needs before it works.
type Ref struct {
	Type Type
	Name string
}
