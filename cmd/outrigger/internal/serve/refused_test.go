package serve

import (
	"context"
	"testing"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/xds/server"
)

func TestRefusedNamesWhatStreamsParked(t *testing.T) {
	t.Parallel()
	asked := func(context.Context) []server.StreamInfo {
		return []server.StreamInfo{
			{Peer: server.Peer{Node: "shop/web-1"}, Types: []server.TypeInfo{{Type: "cluster"}, {
				Type: "listener", Refused: 1, Parked: []server.ParkedInfo{{Name: "l", Owner: "ProxyConfig shop/web"}},
			}}},
			{Peer: server.Peer{Node: "shop/web-2"}},
		}
	}
	list, quiet := refused(t.Context(), asked)
	want := metrics.Refusal{Node: "shop/web-1", Type: "listener", Resource: "l", Owner: "ProxyConfig shop/web"}
	if quiet || len(list) != 1 || list[0] != want {
		t.Errorf("%+v, %t", list, quiet)
	}
	before := func(context.Context) []server.StreamInfo {
		return []server.StreamInfo{{Types: []server.TypeInfo{{Type: "listener", Refused: 1}}}}
	}
	if list, quiet := refused(t.Context(), before); quiet || len(list) != 0 {
		t.Errorf("refused before: %+v, %t", list, quiet)
	}
	never := func(context.Context) []server.StreamInfo {
		return []server.StreamInfo{{Types: []server.TypeInfo{{Type: "listener"}}}}
	}
	if list, quiet := refused(t.Context(), never); !quiet || len(list) != 0 {
		t.Errorf("refused never: %+v, %t", list, quiet)
	}
}

func TestRefusedKnowsThatAStreamDidNotAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, quiet := refused(ctx, func(context.Context) []server.StreamInfo {
		cancel()
		return nil
	})
	if quiet {
		t.Error("quiet")
	}
}
