package serve

import (
	"context"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/xds/server"
)

// refused returns what the open streams refuse now, by node, type in the order of sending, and name. Quiet says that
// every stream answered before ctx ended and none refused anything in its life: one that did may park the same content again
// without another NACK.
func refused(ctx context.Context, streams func(context.Context) []server.StreamInfo) (list []metrics.Refusal, quiet bool) {
	quiet = true
	for _, stream := range streams(ctx) {
		for _, t := range stream.Types {
			quiet = quiet && t.Refused == 0
			for _, p := range t.Parked {
				list = append(list, metrics.Refusal{Node: stream.Peer.Node, Type: t.Type, Resource: p.Name, Owner: p.Owner})
			}
		}
	}
	return list, quiet && ctx.Err() == nil
}
