package translate

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	streamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// direction is one of two words, in stat names and logs alike.
type direction string

const (
	outbound direction = "outbound"
	inbound  direction = "inbound"
)

// connectionFields are logged of every connection, requestFields of every request besides. What is empty is left out of the line.
var (
	connectionFields = map[string]string{
		"start_time":                        "%START_TIME%",
		"duration_ms":                       "%DURATION%",
		"bytes_received":                    "%BYTES_RECEIVED%",
		"bytes_sent":                        "%BYTES_SENT%",
		"response_flags":                    "%RESPONSE_FLAGS%",
		"termination_details":               "%CONNECTION_TERMINATION_DETAILS%",
		"source_address":                    "%DOWNSTREAM_REMOTE_ADDRESS%",
		"destination_address":               "%DOWNSTREAM_LOCAL_ADDRESS%",
		"upstream_host":                     "%UPSTREAM_HOST%",
		"upstream_cluster":                  "%UPSTREAM_CLUSTER_RAW%",
		"upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
	}
	requestFields = map[string]string{
		"protocol":              "%PROTOCOL%",
		"method":                "%REQ(:METHOD)%",
		"path":                  "%PATH(NQ:PATH)%",
		"authority":             "%REQ(:AUTHORITY)%",
		"request_id":            "%REQ(X-REQUEST-ID)%",
		"response_code":         "%RESPONSE_CODE%",
		"response_code_details": "%RESPONSE_CODE_DETAILS%",
		"route":                 "%ROUTE_NAME%",
	}
	// sidesOf are the fields that tell source from destination, by the side that the proxy is on.
	sidesOf = map[direction]map[string]string{
		outbound: {
			"source_identity":       "%UPSTREAM_LOCAL_URI_SAN%",
			"destination_identity":  "%UPSTREAM_PEER_URI_SAN%",
			"destination_service":   "%METADATA(CLUSTER:outrigger:service)%",
			"destination_namespace": "%METADATA(CLUSTER:outrigger:namespace)%",
		},
		inbound: {
			"source_identity":      "%DOWNSTREAM_PEER_URI_SAN%",
			"destination_identity": "%DOWNSTREAM_LOCAL_URI_SAN%",
		},
	}
)

// The logs of all listeners of a direction are the same messages, which nobody changes: made for each, they were an eighth
// of what a service costs.
var (
	requestLogs    = map[direction][]*accesslogv3.AccessLog{outbound: requestLog(outbound), inbound: requestLog(inbound)}
	connectionLogs = map[direction][]*accesslogv3.AccessLog{outbound: connectionLog(outbound), inbound: connectionLog(inbound)}
)

// requestLog writes one JSON line per request to standard output.
func requestLog(d direction) []*accesslogv3.AccessLog {
	return jsonLog(fields(d, connectionFields, sidesOf[d], requestFields))
}

// connectionLog writes one JSON line per connection to standard output.
func connectionLog(d direction) []*accesslogv3.AccessLog {
	return jsonLog(fields(d, connectionFields, sidesOf[d], map[string]string{"protocol": "tcp"}))
}

func fields(d direction, parts ...map[string]string) map[string]*structpb.Value {
	all := map[string]*structpb.Value{"direction": structpb.NewStringValue(string(d))}
	for _, part := range parts {
		for key, format := range part {
			all[key] = structpb.NewStringValue(format)
		}
	}
	return all
}

func jsonLog(fields map[string]*structpb.Value) []*accesslogv3.AccessLog {
	return []*accesslogv3.AccessLog{{
		Name: "envoy.access_loggers.stdout",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: pack(&streamv3.StdoutAccessLog{
			AccessLogFormat: &streamv3.StdoutAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
				Format:          &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: fields}},
				OmitEmptyValues: true,
			}},
		})},
	}}
}
