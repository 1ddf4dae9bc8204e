package translate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/envoy"
)

// tryLogs looks at what both sidecars wrote of one request and of one connection.
func (p *pair) tryLogs(t *testing.T) {
	for _, proxy := range []*envoy.Proxy{p.web, p.carts} {
		// Envoy writes the rest of its log when it ends.
		if err := proxy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	web, carts := logLines(t, p.web), logLines(t, p.carts)
	cluster := "outbound|80||http-strict.shop"
	request := map[string]any{
		"direction": "outbound", "protocol": "HTTP/1.1", "method": "GET", "path": "/a//b%2f", "authority": "cart.example",
		"response_code": 200.0, "response_flags": "-", "response_code_details": "via_upstream",
		"source_identity": webID, "destination_identity": cartID,
		"destination_service": "http-strict", "destination_namespace": "shop", "route": "http-strict.shop",
		"upstream_cluster": cluster, "upstream_host": p.direct["http-strict"].String(),
	}
	logged(t, web, request, "start_time", "request_id", "duration_ms", "bytes_sent", "bytes_received", "source_address", "destination_address")
	logged(t, carts, map[string]any{
		"direction": "inbound", "protocol": "HTTP/1.1", "response_code": 200.0,
		"source_identity": webID, "destination_identity": cartID,
		"upstream_cluster": fmt.Sprintf("inbound|%d", p.direct["http-strict"].Port()),
	}, "request_id", "upstream_host")
	logged(t, web, map[string]any{
		"direction": "outbound", "protocol": "tcp", "destination_service": "tcp-strict", "destination_identity": cartID,
	}, "bytes_sent")
	logged(t, web, map[string]any{
		"direction": "outbound", "response_code": 503.0, "destination_service": "impostor", "response_flags": "URX,UF",
	}, "upstream_transport_failure_reason")
	logged(t, web, map[string]any{"direction": "outbound", "response_code": 503.0, "response_flags": "NC", "route": "missing.shop"})
}

func logLines(t *testing.T, proxy *envoy.Proxy) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(proxy.AccessLog()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, fields)
	}
	return out
}

// logged looks for a line with the values, which also has the fields.
func logged(t *testing.T, lines []map[string]any, values map[string]any, fields ...string) {
	t.Helper()
	for _, line := range lines {
		found := true
		for key, value := range values {
			found = found && line[key] == value
		}
		for _, key := range fields {
			found = found && line[key] != nil
		}
		if found {
			return
		}
	}
	t.Errorf("no line has %v and %v", values, fields)
}
