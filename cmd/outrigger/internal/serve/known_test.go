package serve

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"outrigger.dev/outrigger/discovery"
)

// says is a source that sends updates one after the other, and is silent then.
func says(updates ...discovery.Update) func(context.Context, chan<- discovery.Update) error {
	return func(ctx context.Context, out chan<- discovery.Update) error {
		for _, u := range updates {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case out <- u:
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

func services(synced bool, names ...string) discovery.Update {
	u := discovery.Update{Synced: synced, Services: map[discovery.ServiceID]*discovery.Service{}}
	for _, name := range names {
		id := discovery.ServiceID{Namespace: "consul", Name: name}
		u.Services[id] = &discovery.Service{ID: id}
	}
	return u
}

// follow runs a source and returns what came of it when it says no more.
func follow(t *testing.T, run func(context.Context, chan<- discovery.Update) error) []discovery.Update {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := make(chan discovery.Update), make(chan error)
	var got []discovery.Update
	go func() { ended <- run(ctx, out) }()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case u := <-out:
				got = append(got, u)
			}
		}
	}()
	synctest.Wait()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	synctest.Wait()
	return got
}

// TestTakeover: what a source told stays until the one in its place has told its whole state, and goes with that.
func TestTakeover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &known{}
		if got := follow(t, k.run(says(services(false, "a"), services(true, "b", "c")))); len(got) != 2 || len(got[1].Services) != 2 {
			t.Fatalf("the first source: %v", got)
		}
		// It fails before it has told all.
		if got := follow(t, k.run(says(services(false, "b")))); len(got) != 1 || len(got[0].Services) != 1 {
			t.Fatalf("the second source: %v", got)
		}
		got := follow(t, k.run(says(services(false, "d"), services(true, "c"), services(true, "e"))))
		if len(got) != 3 || len(got[0].Services) != 1 || len(got[2].Services) != 1 {
			t.Fatalf("the third source: %v", got)
		}
		last := got[1].Services
		for _, name := range []string{"a", "b"} {
			if value, told := last[discovery.ServiceID{Namespace: "consul", Name: name}]; !told || value != nil {
				t.Errorf("%s is not taken away: %v", name, last)
			}
		}
		if len(last) != 3 || last[discovery.ServiceID{Namespace: "consul", Name: "c"}] == nil {
			t.Errorf("what is there still: %v", last)
		}
	})
}
