package hold

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// fakeSource says what a test puts into updates, until its context or the test ends it.
type fakeSource struct {
	updates chan discovery.Update
	fail    chan error
}

func newFakeSource() *fakeSource {
	return &fakeSource{updates: make(chan discovery.Update), fail: make(chan error, 1)}
}

func (f *fakeSource) Run(ctx context.Context, out chan<- discovery.Update) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.fail:
			return err
		case u := <-f.updates:
			select {
			case out <- u:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// readableSource can be read a second time.
type readableSource struct {
	*fakeSource
	mu    sync.Mutex
	reads []discovery.ServiceID
	// most is how many reads were under way at once.
	underWay, most int
	read           func(ctx context.Context, id discovery.ServiceID) (*discovery.EndpointSet, error)
}

func (r *readableSource) Confirm(ctx context.Context, id discovery.ServiceID) (*discovery.EndpointSet, error) {
	r.mu.Lock()
	r.reads = append(r.reads, id)
	r.underWay++
	r.most = max(r.most, r.underWay)
	r.mu.Unlock()
	set, err := r.read(ctx, id)
	r.mu.Lock()
	r.underWay--
	r.mu.Unlock()
	return set, err
}

func (r *readableSource) Stats() discovery.Stats { return discovery.Stats{ReadAt: testStart} }

// running is a Held that runs, and who reads on.
type running struct {
	t    *testing.T
	held *Held
	in   chan discovery.Update
	out  chan discovery.Update
	end  chan error
	stop context.CancelFunc
	logs *bytes.Buffer
}

func start(t *testing.T, source discovery.Source, in chan discovery.Update, c Config) *running {
	t.Helper()
	r := &running{t: t, in: in, out: make(chan discovery.Update), end: make(chan error, 1), logs: &bytes.Buffer{}}
	c.Source, c.ID, c.Logger = source, testSource, slog.New(slog.NewTextHandler(r.logs, nil))
	var err error
	if r.held, err = New(c); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(t.Context())
	go func() { r.end <- r.held.Run(ctx, r.out) }()
	return r
}

// say has the source say something.
func (r *running) say(words string) {
	r.t.Helper()
	u := emptyUpdateOf(testSource)
	for word := range strings.FieldsSeq(words) {
		parseWord(r.t, &u, word)
	}
	r.in <- u
}

// demand receives the next update, and demands what it says.
func (r *running) demand(want string) {
	r.t.Helper()
	if got := describe(<-r.out); got != want {
		r.t.Errorf("%q was sent, and should have been %q", got, want)
	}
}

// silent demands that nothing is sent.
func (r *running) silent() {
	r.t.Helper()
	synctest.Wait()
	select {
	case u := <-r.out:
		r.t.Errorf("%q was sent", describe(u))
	default:
	}
}

func (r *running) close() {
	r.t.Helper()
	r.stop()
	if err := <-r.end; !errors.Is(err, context.Canceled) {
		r.t.Errorf("Run returned %v", err)
	}
}

func TestHeldConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &readableSource{fakeSource: newFakeSource()}
		source.read = func(context.Context, discovery.ServiceID) (*discovery.EndpointSet, error) {
			return setOf("cart", "4"), nil
		}
		r := start(t, source, source.updates, Config{})
		defer r.close()
		r.say("synced svc+cart cart=1,2,3,4")
		r.demand("synced svc+cart cart=1,2,3,4")
		r.say("trouble cart=4")
		r.demand("trouble(no connection)")
		if s := r.held.Status(); s.Endpoints != 3 || s.Total != 4 || s.Reason != InTrouble || s.Trouble == nil || !s.ReadAt.Equal(testStart) {
			t.Errorf("the status is %+v", s)
		}
		r.say("")
		r.demand("nothing")
		r.demand("cart=4")
		if len(source.reads) != 1 || source.reads[0] != serviceOf("cart") {
			t.Errorf("read a second time: %v", source.reads)
		}
		if s := r.held.Status(); s.Holding() || s.Counts.Dead != 3 || s.Counts.Confirmed != 1 {
			t.Errorf("the status is %+v", s)
		}
		for _, line := range []string{"what is missing is held", "reason=Trouble", "reason=Unconfirmed", "nothing is held any more"} {
			if !strings.Contains(r.logs.String(), line) {
				t.Errorf("%q is not in the log:\n%s", line, r.logs)
			}
		}
	})
}

// listedSource can list a second time what there is.
type listedSource struct {
	*fakeSource
	pods, services []string
	// failures is how many lists cannot be had at first.
	failures atomic.Int32
}

func (l *listedSource) answer() error {
	if l.failures.Add(-1) >= 0 {
		return errors.New("no answer")
	}
	return nil
}

func (l *listedSource) ConfirmWorkloads(context.Context) ([]discovery.WorkloadID, error) {
	return mapped(l.pods, workloadOf), l.answer()
}

func (l *listedSource) ConfirmServices(context.Context) ([]discovery.ServiceID, error) {
	return mapped(l.services, serviceOf), l.answer()
}

func TestHeldLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &listedSource{fakeSource: newFakeSource(), pods: []string{"3"}, services: []string{"cart"}}
		r := start(t, source, source.updates, Config{})
		defer r.close()
		r.say("synced svc+cart svc+db pod+1 pod+2 pod+3")
		r.demand("synced svc+cart svc+db pod+1 pod+2 pod+3")
		r.say("trouble svc-db pod-1 pod-2")
		r.demand("trouble(no connection)")
		r.say("")
		r.demand("nothing")
		sent := []string{describe(<-r.out), describe(<-r.out)}
		slices.Sort(sent)
		if !slices.Equal(sent, []string{"pod-1 pod-2", "svc-db"}) {
			t.Errorf("%q were sent", sent)
		}
		if s := r.held.Status(); s.Holding() || s.Counts.Confirmed != 2 {
			t.Errorf("the status is %+v", s)
		}
	})
}

// TestHeldListsAgain has lists that cannot be had at first: they are tried again.
func TestHeldListsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &listedSource{fakeSource: newFakeSource()}
		source.failures.Store(1)
		r := start(t, source, source.updates, Config{})
		defer r.close()
		r.say("synced pod+1")
		r.demand("synced pod+1")
		r.say("trouble pod-1")
		r.demand("trouble(no connection)")
		r.say("")
		over := time.Now()
		r.demand("nothing")
		r.silent()
		r.demand("pod-1")
		if took := time.Since(over); took != Reread {
			t.Errorf("it took %s", took)
		}
		if s := r.held.Status(); s.Counts.Failed != 1 || !strings.Contains(r.logs.String(), `object="all workloads" error="no answer"`) {
			t.Errorf("the status is %+v, the log\n%s", s, r.logs)
		}
	})
}

// TestHeldWaits has a source that cannot be read again, and one whose second reads fail: five minutes decide.
func TestHeldWaits(t *testing.T) {
	for name, open := range map[string]func() (discovery.Source, chan discovery.Update){
		"unreadable": func() (discovery.Source, chan discovery.Update) { s := newFakeSource(); return s, s.updates },
		"silent": func() (discovery.Source, chan discovery.Update) {
			s := &readableSource{fakeSource: newFakeSource()}
			s.read = func(ctx context.Context, _ discovery.ServiceID) (*discovery.EndpointSet, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return s, s.updates
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source, in := open()
				r := start(t, source, in, Config{})
				defer r.close()
				r.say("synced cart=1,2")
				r.demand("synced cart=1,2")
				r.say("trouble")
				r.demand("trouble(no connection)")
				r.say("cart-")
				over := time.Now()
				r.demand("nothing")
				r.demand("cart-")
				if took := time.Since(over); took != Patience {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// TestHeldBoundsReads loses a hundred services at once: few reads are under way together, and each is read once.
func TestHeldBoundsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &readableSource{fakeSource: newFakeSource()}
		source.read = func(context.Context, discovery.ServiceID) (*discovery.EndpointSet, error) {
			timer := time.NewTimer(time.Second)
			defer timer.Stop()
			<-timer.C
			return nil, nil
		}
		r := start(t, source, source.updates, Config{})
		defer r.close()
		there, gone := "synced", ""
		for i := range 100 {
			name := string(rune('a'+i/10)) + string(rune('a'+i%10))
			there += " " + name + "=1"
			gone += " " + name + "-"
		}
		r.say(there)
		<-r.out
		r.say("trouble")
		<-r.out
		r.say(gone)
		<-r.out
		for range 100 {
			<-r.out
		}
		if source.most != rereads || len(source.reads) != 100 {
			t.Errorf("%d reads, %d at once", len(source.reads), source.most)
		}
		if s := r.held.Status(); s.Holding() {
			t.Errorf("still held: %+v", s)
		}
	})
}

// TestHeldMergesNothing keeps one update while nobody receives: the source is not read until it is taken.
func TestHeldMergesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		r := start(t, source, source.updates, Config{})
		defer r.close()
		r.say("synced cart=1")
		r.say("cart=1,2")
		synctest.Wait()
		select {
		case source.updates <- discovery.Update{}:
			t.Error("a third update was taken while the first waits")
		default:
		}
		r.demand("synced cart=1")
		r.demand("cart=1,2")
		r.silent()
	})
}

func TestHeldEndsWithItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		r := start(t, source, source.updates, Config{})
		broken := errors.New("broken")
		source.fail <- broken
		if err := <-r.end; !errors.Is(err, broken) {
			t.Errorf("Run returned %v", err)
		}
		r.stop()
	})
}

// TestHeldEndsWhileNobodyReceives ends with an update under way, and a second read.
func TestHeldEndsWhileNobodyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &readableSource{fakeSource: newFakeSource()}
		source.read = func(ctx context.Context, _ discovery.ServiceID) (*discovery.EndpointSet, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		r := start(t, source, source.updates, Config{})
		r.say("synced cart=1")
		<-r.out
		r.say("trouble cart-")
		<-r.out
		r.say("")
		synctest.Wait()
		r.close()
	})
}

type observed []Reason

func (o *observed) Held(s Status) { *o = append(*o, s.Reason) }

func TestHeldTellsItsObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, told := newFakeSource(), &observed{}
		r := start(t, source, source.updates, Config{Observer: told})
		r.say("synced cart=1,2")
		<-r.out
		r.say("trouble cart=1")
		<-r.out
		r.say("trouble cart=1,3")
		<-r.out
		r.say("cart=1,2,3")
		<-r.out
		r.close()
		if len(*told) != 2 || (*told)[0] != InTrouble || (*told)[1] != "" {
			t.Errorf("the observer was told %v", *told)
		}
	})
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("no error without a source")
	}
	if _, err := NewPolicies(PoliciesConfig{}); err == nil {
		t.Error("no error without a source of policies")
	}
	if _, err := NewFile(FileConfig{}); err == nil {
		t.Error("no error without a path")
	}
}

// fakePolicies is a source of policies that lists what list returns.
type fakePolicies struct {
	updates chan compile.Update
	list    []discovery.ObjectID
}

func (f *fakePolicies) Run(ctx context.Context, out chan<- compile.Update) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u := <-f.updates:
			select {
			case out <- u:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (f *fakePolicies) Confirm(context.Context, string) ([]discovery.ObjectID, error) {
	return f.list, nil
}

func TestPoliciesConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &fakePolicies{updates: make(chan compile.Update), list: []discovery.ObjectID{peer("c")}}
		p, err := NewPolicies(PoliciesConfig{Source: source, ID: testSource, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		out, end := make(chan compile.Update), make(chan error, 1)
		go func() { end <- p.Run(ctx, out) }()
		source.updates <- peers("synced a b c")
		<-out
		source.updates <- peers("! -a -b")
		if u := <-out; u.Trouble == nil || describePeers(u) != "" {
			t.Errorf("%v was sent", u)
		}
		if s := p.Status(); len(s.Policies) != 2 || s.Reason != InTrouble {
			t.Errorf("the status is %+v", s)
		}
		source.updates <- peers("")
		if u := <-out; u.Trouble != nil || describePeers(u) != "" {
			t.Errorf("%v was sent", u)
		}
		if got := describePeers(<-out); got != "-a -b" {
			t.Errorf("%q was sent", got)
		}
		stop()
		if err := <-end; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}
