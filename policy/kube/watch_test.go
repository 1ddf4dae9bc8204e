package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
)

// script is an API server whose watches go as the test says: session by session.
type script struct {
	t        *testing.T
	mu       sync.Mutex
	begun    []time.Time
	sessions func(n int) (watch.Interface, error)
}

func (s *script) client() dynamic.Interface {
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		authenticationPolicy.resource(): "AuthenticationPolicyList",
	})
	client.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) {
		s.mu.Lock()
		s.begun = append(s.begun, time.Now())
		n := len(s.begun)
		s.mu.Unlock()
		stream, err := s.sessions(n)
		return true, stream, err
	})
	return client
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.begun)
}

// stream is a watch that tells what it is given and then is silent, or ends.
func stream(end bool, events ...watch.Event) watch.Interface {
	w := watch.NewRaceFreeFake()
	for _, e := range events {
		w.Action(e.Type, e.Object)
	}
	if end {
		w.Stop()
	}
	return w
}

func whole(objects ...string) []watch.Event {
	var events []watch.Event
	for i, name := range objects {
		events = append(events, watch.Event{Type: watch.Added, Object: policyObject(name, 1, int64(i+1))})
	}
	return append(events, watch.Event{Type: watch.Bookmark, Object: bookmark(100, true)})
}

// play runs a watcher for a time and returns what it told.
func play(t *testing.T, s *script, check func(context.Context, kind) error, d time.Duration) []event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	events := make(chan event)
	done := make(chan error, 1)
	w := &watcher{kind: authenticationPolicy, client: s.client(), check: check, events: events, retry: DefaultRetry}
	go func() { done <- w.run(ctx) }()
	var told []event
	for {
		select {
		case e := <-events:
			told = append(told, e)
		case err := <-done:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("run ended with %v", err)
			}
			return told
		}
	}
}

// short is what was told, as words.
func short(told []event) string {
	names := map[what]string{full: "full", changed: "changed", gone: "gone", heard: "heard", failed: "failed"}
	words := make([]string, 0, len(told))
	for _, e := range told {
		word := names[e.what]
		for _, object := range e.objects {
			word += " " + object.GetName()
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func demand(t *testing.T, told []event, want string) {
	t.Helper()
	if got := short(told); got != want {
		t.Errorf("told is %q, want %q", got, want)
	}
}

func TestWatchTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, sessions: func(int) (watch.Interface, error) {
			return stream(false, append(whole("a", "b"),
				watch.Event{Type: watch.Modified, Object: policyObject("a", 2, 101)},
				watch.Event{Type: watch.Bookmark, Object: bookmark(102, false)},
				watch.Event{Type: watch.Deleted, Object: policyObject("b", 1, 103)})...), nil
		}}
		told := play(t, s, nil, time.Second)
		demand(t, told, "full a b, changed a, heard, gone b")
		if told[0].version != "100" || told[0].objects[0].GetManagedFields() != nil {
			t.Errorf("the full state is of version %q", told[0].version)
		}
	})
}

func TestNoFullState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, sessions: func(int) (watch.Interface, error) {
			return stream(false, watch.Event{Type: watch.Added, Object: policyObject("a", 1, 1)}), nil
		}}
		told := play(t, s, nil, fullLimit+time.Second)
		demand(t, told, "failed")
		if !strings.Contains(told[0].err.Error(), "full state within 1m0s") {
			t.Errorf("the error is %v", told[0].err)
		}
	})
}

// A watch that ends before the full state was there has told nothing.
func TestHalfAState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, sessions: func(n int) (watch.Interface, error) {
			if n == 1 {
				return stream(true, watch.Event{Type: watch.Added, Object: policyObject("a", 1, 1)}), nil
			}
			return stream(false, whole("a", "b")...), nil
		}}
		demand(t, play(t, s, nil, time.Second), "failed, full a b")
	})
}

func TestSilentWatchBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, sessions: func(int) (watch.Interface, error) { return stream(false, whole("a")...), nil }}
		demand(t, play(t, s, nil, silenceLimit+time.Second), "full a, full a")
	})
}

func TestWatchesThatEnd(t *testing.T) {
	expired := apierrors.NewResourceExpired("too old").Status()
	broken := apierrors.NewInternalError(errors.New("etcd is away")).Status()
	for name, c := range map[string]struct {
		end  []watch.Event
		want string
	}{
		"in order": {nil, "full a, full a"},
		"expired":  {[]watch.Event{{Type: watch.Error, Object: &expired}}, "full a, full a"},
		"broken":   {[]watch.Event{{Type: watch.Error, Object: &broken}}, "full a, failed, full a"},
		"odd":      {[]watch.Event{{Type: watch.Modified, Object: &expired}}, "full a, failed, full a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, sessions: func(n int) (watch.Interface, error) {
					if n == 1 {
						return stream(true, append(whole("a"), c.end...)...), nil
					}
					return stream(false, whole("a")...), nil
				}}
				demand(t, play(t, s, nil, time.Second), c.want)
			})
		})
	}
}

// However a cluster fails, it is not asked in a tight loop, and never forgotten.
func TestAttemptsAreBounded(t *testing.T) {
	refused := apierrors.NewTooManyRequestsError("later")
	for name, session := range map[string]func(int) (watch.Interface, error){
		"refused":      func(int) (watch.Interface, error) { return nil, refused },
		"ends at once": func(int) (watch.Interface, error) { return stream(true, whole("a")...), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, sessions: session}
				play(t, s, nil, 10*time.Minute)
				if n := s.count(); n < 60 || n > 150 {
					t.Errorf("%d attempts in 10 minutes", n)
				}
				for i := 1; i < len(s.begun); i++ {
					if wait := s.begun[i].Sub(s.begun[i-1]); wait > DefaultRetry || wait < firstRetry/2 {
						t.Fatalf("%s between two attempts", wait)
					}
				}
			})
		})
	}
}

func TestDeletionsAreNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, sessions: func(n int) (watch.Interface, error) {
			if n == 1 {
				return stream(false, append(whole("a", "b"), watch.Event{Type: watch.Deleted, Object: policyObject("a", 1, 103)})...), nil
			}
			return stream(false, whole()...), nil
		}}
		asked := 0
		check := func(context.Context, kind) error {
			if asked++; asked == 2 || asked == 3 {
				return errBeingDeleted
			}
			return nil
		}
		told := play(t, s, check, 2*time.Second)
		demand(t, told, "full a b, failed, failed, full")
		if !errors.Is(told[1].err, errBeingDeleted) || !errors.Is(told[2].err, errBeingDeleted) {
			t.Errorf("the errors are %v and %v", told[1].err, told[2].err)
		}
	})
}

func TestUnknownKind(t *testing.T) {
	unknown := apierrors.NewNotFound(schema.GroupResource{Group: "outrigger.dev", Resource: "authenticationpolicies"}, "")
	for name, c := range map[string]struct {
		check error
		want  func(error) bool
	}{
		"not installed":  {errNotInstalled, func(err error) bool { return errors.Is(err, errNotInstalled) }},
		"not served yet": {nil, apierrors.IsNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, sessions: func(int) (watch.Interface, error) { return nil, unknown }}
				told := play(t, s, func(context.Context, kind) error { return c.check }, firstRetry/4)
				if len(told) != 1 || !c.want(told[0].err) {
					t.Errorf("told is %+v", told)
				}
			})
		})
	}
}

// An API server without streamed lists says that it does not know the option.
func TestServerWithoutStreamedLists(t *testing.T) {
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		queries = append(queries, r.URL.RawQuery)
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		switch {
		case query.Get("sendInitialEvents") != "":
			status := apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: "ListOptions"}, "", nil).Status()
			w.WriteHeader(int(status.Code))
			_ = encoder.Encode(status)
		case query.Get("watch") != "":
			_ = encoder.Encode(metav1.WatchEvent{Type: "MODIFIED", Object: runtime.RawExtension{Object: policyObject("a", 2, 8)}})
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			list := map[string]any{
				"apiVersion": "outrigger.dev/v1alpha1", "kind": "AuthenticationPolicyList",
				"metadata": map[string]any{"resourceVersion": "7"}, "items": []any{policyObject("a", 1, 3).Object},
			}
			_ = encoder.Encode(list)
		}
	}))
	defer server.Close()
	client, err := newClient(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan event)
	w := &watcher{kind: authenticationPolicy, client: client, events: events, retry: DefaultRetry}
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	demand(t, []event{<-events, <-events}, "full a, changed a")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("run ended with %v", err)
	}
	if len(queries) != 3 || !strings.Contains(queries[2], "resourceVersion=7") {
		t.Errorf("the queries are %q", queries)
	}
}
