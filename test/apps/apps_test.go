package apps_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"reflect"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/test/apps"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a program until the test ends.
func run(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- apps.Main(ctx, args) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%v: %v", args, err)
		}
	})
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// ask waits until the address answers.
func ask(t *testing.T, url, clientCert string) (int, apps.Answer) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-forwarded-client-cert", clientCert)
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if errors.Is(err, syscall.ECONNREFUSED) {
			select {
			case <-tick.C:
				continue
			case <-t.Context().Done():
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var a apps.Answer
		if resp.StatusCode == http.StatusOK {
			if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
				t.Fatal(err)
			}
		}
		return resp.StatusCode, a
	}
}

func TestFrontendCallsCartAndCatalog(t *testing.T) {
	front, cart, catalog := free(t), free(t), free(t)
	run(t, "cart", "-listen", cart, "-instance", "cart-7")
	run(t, "catalog", "-listen", catalog)
	run(t, "frontend", "-listen", front, "-cart", "http://"+cart, "-catalog", catalog, "-payments", "http://127.0.0.1:1")
	// Whichever is last to listen, the call of the frontend below needs all three.
	ask(t, "http://"+cart, "")

	status, got := ask(t, "http://"+front+"/",
		`By=spiffe://far;Hash=00;URI=spiffe://far/one,By=spiffe://near;Hash=ab12;Subject="CN=a";URI=spiffe://near/two`)
	want := apps.Answer{Instance: "frontend", Caller: "spiffe://near/two", Certificate: "ab12", Calls: []apps.Answer{
		{Instance: "cart-7"}, {Instance: "catalog"},
	}}
	if status != http.StatusOK || !reflect.DeepEqual(got, want) {
		t.Errorf("answered %d %+v, want 200 %+v", status, got, want)
	}
	if status, _ := ask(t, "http://"+front+"/payments", ""); status != http.StatusBadGateway {
		t.Errorf("a service that is away: %d, want 502", status)
	}
}

func TestMainKnowsItsPrograms(t *testing.T) {
	for _, args := range [][]string{{}, {"nothing"}, {"cart", "-no-such-flag"}, {"cart", "-listen", "nowhere"}} {
		if err := apps.Main(t.Context(), args); err == nil {
			t.Errorf("%q is no error", args)
		}
	}
}
