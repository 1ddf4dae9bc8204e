package bootstrap

import (
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// Words of the stats, which are those of the access log. A cluster's stats
// are called outbound|<port>|<subset>|<service>|<namespace> or inbound|<port>.
// Of each expression, the first group leaves the name and the second is the value.
var statsTags = []struct{ name, regex string }{
	{"direction", `^(?:cluster|http|tcp|listener)\.((outbound|inbound)(?:\||\.))`},
	{"port", `^cluster\.(?:outbound|inbound)(\|(\d+))`},
	{"destination_subset", `^cluster\.outbound\|\d+(\|([^|.]+))\|`},
	{"destination_service", `^cluster\.outbound\|\d+\|[^|]*(\|([^|]+))\|`},
	{"destination_namespace", `^cluster\.outbound\|\d+\|[^|]*\|[^|]+(\|([^|.]+))\.`},
}

// Stats are counted by name: each costs memory for every service that a proxy
// sees, so what nobody looks at is left out.
var (
	statsPrefixes = []string{
		"cluster." + xdsCluster + ".", "cluster_manager.", "control_plane.", "listener.", "listener_manager.",
		"main_thread.", "overload.", "sds.", "server.", "tcp.",
		"http.inbound.downstream_", "http.inbound.no_", "http.inbound.rq_",
		"http.outbound.downstream_", "http.outbound.no_", "http.outbound.rq_",
	}
	statsSuffixes = []string{
		".membership_healthy", ".membership_total", ".outlier_detection.ejections_active",
		".ssl.connection_error", ".ssl.fail_verify_error", ".ssl.fail_verify_san", ".ssl.handshake",
		".update_rejected", ".update_success",
		".upstream_cx_active", ".upstream_cx_connect_fail", ".upstream_cx_connect_timeout",
		".upstream_cx_none_healthy", ".upstream_cx_overflow", ".upstream_cx_rx_bytes_total",
		".upstream_cx_total", ".upstream_cx_tx_bytes_total",
		".upstream_rq_active", ".upstream_rq_pending_overflow", ".upstream_rq_retry",
		".upstream_rq_time", ".upstream_rq_timeout", ".upstream_rq_total",
		".upstream_rq_1xx", ".upstream_rq_2xx", ".upstream_rq_3xx", ".upstream_rq_4xx", ".upstream_rq_5xx",
	}
)

// stats says which stats there are and how their names become labels. The
// proxy's own workload and namespace are labels of all.
func (p plan) stats() *metricsv3.StatsConfig {
	config := &metricsv3.StatsConfig{
		StatsMatcher: &metricsv3.StatsMatcher{StatsMatcher: &metricsv3.StatsMatcher_InclusionList{InclusionList: inclusion()}},
		StatsTags: []*metricsv3.TagSpecifier{
			{TagName: "workload", TagValue: &metricsv3.TagSpecifier_FixedValue{FixedValue: p.Workload}},
			{TagName: "workload_namespace", TagValue: &metricsv3.TagSpecifier_FixedValue{FixedValue: p.Namespace}},
		},
	}
	for _, tag := range statsTags {
		config.StatsTags = append(config.StatsTags, &metricsv3.TagSpecifier{
			TagName: tag.name, TagValue: &metricsv3.TagSpecifier_Regex{Regex: tag.regex},
		})
	}
	return config
}

func inclusion() *matcherv3.ListStringMatcher {
	list := &matcherv3.ListStringMatcher{}
	for _, prefix := range statsPrefixes {
		list.Patterns = append(list.Patterns, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}})
	}
	for _, suffix := range statsSuffixes {
		list.Patterns = append(list.Patterns, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: suffix}})
	}
	return list
}
