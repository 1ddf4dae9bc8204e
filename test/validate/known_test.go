package validate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"outrigger.dev/outrigger/test/envoy"
)

const (
	connectMode = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.upstream_connect_mode"
	earlyData   = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.max_early_data_bytes"
	jitter      = "envoy.config.core.v3.HttpProtocolOptions.max_connection_duration_jitter"
)

// holders are filters with each of the fields that older Envoys do not know.
func holders() map[string]proto.Message {
	tcp := func() *tcpv3.TcpProxy {
		return &tcpv3.TcpProxy{StatPrefix: "in", ClusterSpecifier: &tcpv3.TcpProxy_Cluster{Cluster: "cart"}}
	}
	waiting, early := tcp(), tcp()
	// From 1.38 on the one needs the other.
	waiting.UpstreamConnectMode, waiting.MaxEarlyDataBytes = tcpv3.UpstreamConnectMode_ON_DOWNSTREAM_TLS_HANDSHAKE, wrapperspb.UInt32(0)
	early.MaxEarlyDataBytes = wrapperspb.UInt32(0)
	return map[string]proto.Message{
		connectMode: waiting,
		earlyData:   early,
		jitter: &hcmv3.HttpConnectionManager{
			StatPrefix:     "in",
			RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{}},
			CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
				MaxConnectionDuration: durationpb.New(time.Hour), MaxConnectionDurationJitter: &typev3.Percent{Value: 10},
			},
		},
	}
}

// behind is a listener with one filter.
func behind(t *testing.T, config proto.Message) *listenerv3.Listener {
	t.Helper()
	packed, err := anypb.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &listenerv3.Listener{
		Name: "in",
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 18_000},
		}}},
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "only", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed},
		}}}},
	}
}

// TestUnknownFieldsAreThoseOfTheDifferences: a field that is left out for a release is unknown to it, and known to its successors.
func TestUnknownFieldsAreThoseOfTheDifferences(t *testing.T) {
	release, err := envoy.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := envoy.Release{}.Unknown()
	if have := slices.Sorted(maps.Keys(holders())); !slices.Equal(have, slices.Sorted(slices.Values(all))) {
		t.Fatalf("this test has %v, the differences have %v", have, all)
	}
	for field, config := range holders() {
		others := slices.DeleteFunc(release.Unknown(), func(s string) bool { return s == field })
		text, err := bootstrap("shop/cart", []proto.Message{behind(t, config)}, others)
		if err != nil {
			t.Fatal(err)
		}
		err = envoy.Validate(t.Context(), text)
		if !slices.Contains(release.Unknown(), field) {
			if err != nil {
				t.Errorf("Envoy %s is to know %s: %v", release, field, err)
			}
			continue
		}
		if name := fmt.Sprintf("'%s'", jsonName(t, field)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Envoy %s is not to know %s: error %v, want one that names %s", release, field, err, name)
		}
	}
}

// jsonName is how Envoy names a field in what it says of a file.
func jsonName(t *testing.T, field string) string {
	t.Helper()
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(field))
	if err != nil {
		t.Fatal(err)
	}
	return found.(protoreflect.FieldDescriptor).JSONName()
}

func TestWithoutLeavesTheRest(t *testing.T) {
	for field, config := range holders() {
		listener := behind(t, config)
		before := proto.CloneOf(listener)
		if err := without(listener.ProtoReflect(), []string{"envoy.config.listener.v3.Listener.stat_prefix"}); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(listener, before) {
			t.Errorf("%s: was changed: %v", field, listener)
		}
		if err := without(listener.ProtoReflect(), []string{field}); err != nil {
			t.Fatal(err)
		}
		if proto.Equal(listener, before) {
			t.Errorf("%s is still there: %v", field, listener)
		}
	}
}
