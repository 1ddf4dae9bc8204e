package main

import (
	"strings"
	"testing"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/server"
)

func TestScopeText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		scope cache.Scope
		want  string
	}{
		{cache.All, "all services"},
		{cache.Scope{}, "none"},
		{cache.NewScope(nil, nil), "none"},
		{cache.NewScope(nil, []string{"shop/web", "shop/cart"}), "shop/cart, shop/web"},
		{cache.NewScope([]string{"shop", "pay"}, nil), "pay/*, shop/*"},
		{cache.NewScope([]string{"pay"}, []string{"shop/web"}), "pay/*, shop/web"},
	} {
		if got := scopeText(test.scope.Key()); got != test.want {
			t.Errorf("scope %q is %q, want %q", test.scope.Key(), got, test.want)
		}
	}
}

func TestLaggingSaysWhy(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printLagging(&out, server.TypeInfo{Type: "cluster", Pending: 5, Lagging: []server.LaggingInfo{
		{Name: "a", Has: "v1", Wants: "v2", Sent: true},
		{Name: "b", Wants: "v1"},
		{Name: "\x1b[2Jasked for", Has: "v1"},
	}})
	want := `
lags behind: cluster
  a: has v1, wants v2, waits for the proxy's answer
  b: has -, wants v1, waits for what it needs
  [2Jasked for: has v1, wants -, waits for what it needs
  and 2 more
`
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	out.Reset()
	if printLagging(&out, server.TypeInfo{Type: "cluster"}); out.Len() > 0 {
		t.Errorf("printed %q of nothing", out.String())
	}
}

// TestRefusedIsFitForATerminal: what a proxy wrote cannot move the cursor, colour the screen or add lines.
func TestRefusedIsFitForATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printRefused(&out, server.TypeInfo{Type: "listener", Parked: []server.ParkedInfo{
		{Name: "l", Version: "v2", Has: "v1", Owner: "ProxyConfig shop/web", Error: "\n cannot bind:\r\n\x1b[31mport\u202e taken\x9b2J \xff\a\n"},
		{Name: "m", Version: "v2", Error: "\x00"},
	}})
	want := `
refused: listener l
  version: v2, has v1
  why:     cannot bind: [31mport taken 2J
  from:    ProxyConfig shop/web
  next:    correct ProxyConfig shop/web; when the reason lies on the proxy's own machine, such as a taken port, mend it there and restart that Envoy

refused: listener m
  version: v2, has -
  why:     -
  from:    -
  next:    when the reason lies on the proxy's own machine, such as a taken port, mend it there and restart that Envoy
`
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
