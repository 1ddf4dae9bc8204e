package file_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
)

// patience is how long tests wait for what must come.
const patience = 20 * time.Second

// watcher runs a source on a folder and merges what it sends.
type watcher struct {
	t        *testing.T
	dir      string
	updates  chan file.Update
	log      *buffer
	observer *observer

	synced    bool
	trouble   error
	workloads map[discovery.WorkloadID]*discovery.Workload
	policies  map[discovery.ObjectID]bool
	locations map[discovery.ObjectID]string
	problems  map[string][]discovery.Problem
	// gone are the workloads that were removed, in order.
	gone []string
	// received counts updates.
	received int
	readAt   time.Time
	// each is called with every update; it may be nil.
	each func(file.Update)
}

// buffer is a log that a test reads while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// observer remembers what it was told.
type observer struct {
	mu    sync.Mutex
	calls []string
}

func (o *observer) Problems(name string, problems []discovery.Problem) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, problem := range problems {
		o.calls = append(o.calls, fmt.Sprintf("%s %s %s", problem.Location, problem.Field, problem.Reason))
	}
	if len(problems) == 0 {
		o.calls = append(o.calls, name+" clean")
	}
}

func (o *observer) Trouble(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, fmt.Sprintf("trouble %t", err != nil))
}

func (o *observer) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.calls)
}

// start runs a source on dir; it ends with the test.
func start(t *testing.T, dir string, rescan time.Duration) *watcher {
	t.Helper()
	return startWith(t, file.Config{Dir: dir, Rescan: rescan})
}

// startWith does the same with more of a Config.
func startWith(t *testing.T, config file.Config) *watcher {
	t.Helper()
	w := &watcher{
		t: t, dir: config.Dir, updates: make(chan file.Update), log: &buffer{}, observer: &observer{},
		workloads: make(map[discovery.WorkloadID]*discovery.Workload), policies: make(map[discovery.ObjectID]bool),
		locations: make(map[discovery.ObjectID]string), problems: make(map[string][]discovery.Problem),
	}
	config.Name, config.Logger, config.Observer = "test", slog.New(slog.NewTextHandler(w.log, nil)), w.observer
	source, err := file.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := source.Run(ctx, w.updates); ctx.Err() == nil {
			t.Errorf("Run returned %v", err)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return w
}

func (w *watcher) await(what string, done func() bool) {
	w.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !done() {
		select {
		case update := <-w.updates:
			w.take(update)
		case <-timeout.C:
			w.t.Fatalf("waiting until %s: it does not come; problems %v, trouble %v, log\n%s", what, w.problems, w.trouble, w.log)
		}
	}
}

func (w *watcher) take(update file.Update) {
	w.received++
	w.synced = w.synced || update.Synced
	w.trouble = update.Trouble
	w.readAt = update.ReadAt
	for id, workload := range update.Workloads {
		if workload == nil {
			w.gone = append(w.gone, id.Name)
			delete(w.workloads, id)
			continue
		}
		w.workloads[id] = workload
	}
	for id, policy := range update.Policies.AuthenticationPolicies {
		w.policies[id] = policy != nil
	}
	maps.Copy(w.locations, update.Policies.Locations)
	maps.Copy(w.problems, update.Files)
	if w.each != nil {
		w.each(update)
	}
}

func (w *watcher) awaitSynced() {
	w.t.Helper()
	w.await("the folder is read", func() bool { return w.synced })
}

// address returns that of a workload in namespace default, empty when there is none.
func (w *watcher) address(name string) string {
	if workload := w.workloads[discovery.WorkloadID{Namespace: "default", Name: name}]; workload != nil {
		return workload.Addresses[0].String()
	}
	return ""
}

func (w *watcher) awaitAddress(name, address string) {
	w.t.Helper()
	w.await(fmt.Sprintf("%s has the address %q", name, address), func() bool { return w.address(name) == address })
}

func (w *watcher) path(name string) string { return filepath.Join(w.dir, name) }

func machine(name, address string) string {
	return fmt.Sprintf("apiVersion: outrigger.dev/v1alpha1\nkind: Workload\nmetadata: {name: %s}\nspec: {addresses: [%s]}\n", name, address)
}

// replace puts a file in place whole, as careful editors do.
func replace(t *testing.T, name, content string) {
	t.Helper()
	write(t, name+".tmp", content)
	rename(t, name+".tmp", name)
}

func TestBadFileKeepsItsLastGoodContent(t *testing.T) {
	w := start(t, t.TempDir(), 0)
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	write(t, w.path("b.yaml"), machine("b", "10.0.0.2"))
	w.awaitAddress("a", "10.0.0.1")
	w.awaitAddress("b", "10.0.0.2")

	bad := strings.Replace(machine("a", "10.0.0.9"), "addresses", "adresses", 1)
	replace(t, w.path("a.yaml"), bad)
	w.await("a.yaml is refused", func() bool { return len(w.problems["a.yaml"]) > 0 })
	problem := w.problems["a.yaml"][0]
	if problem.Location != "a.yaml:4" || problem.Field != "spec.adresses" || problem.Reason != "UnknownField" || problem.Warning {
		t.Errorf("the problem is %+v", problem)
	}
	if w.address("a") != "10.0.0.1" {
		t.Errorf("a has the address %q", w.address("a"))
	}
	write(t, w.path("b.yaml"), machine("b", "10.0.0.3"))
	w.awaitAddress("b", "10.0.0.3")

	// The same mistake again is told once.
	write(t, w.path("a.yaml"), bad+"# again\n")
	replace(t, w.path("a.yaml"), machine("a", "10.0.0.4"))
	w.awaitAddress("a", "10.0.0.4")
	w.await("a.yaml is clean", func() bool { return len(w.problems["a.yaml"]) == 0 })
	if want := []string{"a.yaml:4 spec.adresses UnknownField", "a.yaml clean"}; !slices.Equal(w.observer.told(), want) {
		t.Errorf("the observer was told %q, not %q", w.observer.told(), want)
	}
	log := w.log.String()
	if strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "location=a.yaml:4") ||
		!strings.Contains(log, "field=spec.adresses") || !strings.Contains(log, "reason=UnknownField") {
		t.Errorf("the log is\n%s", log)
	}
	if len(w.gone) > 0 || w.trouble != nil {
		t.Errorf("gone: %v, trouble: %v", w.gone, w.trouble)
	}
}

// TestSavingTakesNothingAway does what programs do when they save a file: no step of it is a removal.
func TestSavingTakesNothingAway(t *testing.T) {
	w := start(t, t.TempDir(), 0)
	name := w.path("a.yaml")
	write(t, name, machine("a", "10.0.0.1"))
	w.awaitAddress("a", "10.0.0.1")
	for i, save := range []func(content string){
		func(content string) { write(t, name, content) },
		func(content string) { replace(t, name, content) },
		func(content string) {
			rename(t, name, name+"~")
			write(t, name, content)
			remove(t, name+"~")
		},
		func(content string) {
			remove(t, name)
			write(t, name, content)
		},
		func(content string) { slowly(t, name, content) },
	} {
		address := fmt.Sprintf("10.0.1.%d", i+1)
		save("# " + strings.Repeat("x", 10) + "\n" + machine("a", address))
		w.awaitAddress("a", address)
	}
	if len(w.gone) > 0 || len(w.observer.told()) > 0 {
		t.Errorf("while it was saved, it was gone %d times and the observer was told %q", len(w.gone), w.observer.told())
	}
}

// slowly writes byte by byte, so that every beginning of the content is there for a moment.
func slowly(t *testing.T, name, content string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range len(content) {
		if _, err := f.WriteString(content[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeletedIsRemoved(t *testing.T) {
	w := start(t, t.TempDir(), 0)
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1")+"---\n"+machine("b", "10.0.0.2"))
	mkdir(t, w.path("sub/deep"))
	write(t, w.path("sub/deep/c.yml"), machine("c", "10.0.0.3"))
	w.awaitAddress("b", "10.0.0.2")
	w.awaitAddress("c", "10.0.0.3")
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	w.awaitAddress("b", "")
	remove(t, w.path("sub"))
	w.awaitAddress("c", "")
	remove(t, w.path("a.yaml"))
	w.awaitAddress("a", "")
	if w.trouble != nil {
		t.Errorf("deleting is called trouble: %v", w.trouble)
	}
}

func TestEmptyFileIsNoRemoval(t *testing.T) {
	w := start(t, t.TempDir(), 0)
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	w.awaitAddress("a", "10.0.0.1")
	write(t, w.path("a.yaml"), "")
	w.await("the empty file is refused", func() bool { return len(w.problems["a.yaml"]) > 0 })
	if w.address("a") == "" {
		t.Error("an empty file removed its objects")
	}
	write(t, w.path("a.yaml"), "# nothing, and on purpose\n")
	w.awaitAddress("a", "")
}

// TestVolumeSwap swaps the content as volumes of ConfigMaps do.
func TestVolumeSwap(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, 0)
	publish := func(version, address string) {
		mkdir(t, w.path("..v"+version+"/sub"))
		write(t, w.path("..v"+version+"/a.yaml"), machine("a", address))
		write(t, w.path("..v"+version+"/sub/b.yaml"), machine("b", address))
		link(t, "..v"+version, w.path("..data_tmp"))
		rename(t, w.path("..data_tmp"), w.path("..data"))
	}
	publish("1", "10.0.0.1")
	link(t, "..data/a.yaml", w.path("a.yaml"))
	link(t, "..data/sub", w.path("sub"))
	w.awaitAddress("a", "10.0.0.1")
	w.awaitAddress("b", "10.0.0.1")
	for _, version := range []string{"2", "3"} {
		publish(version, "10.0.0."+version)
		w.awaitAddress("a", "10.0.0."+version)
		w.awaitAddress("b", "10.0.0."+version)
	}
	if len(w.gone) > 0 {
		t.Errorf("swapping removed %v", w.gone)
	}
}

// TestFolderIsALink swaps the link that is the folder itself.
func TestFolderIsALink(t *testing.T) {
	base := t.TempDir()
	for _, version := range []string{"1", "2"} {
		mkdir(t, filepath.Join(base, "v"+version))
		write(t, filepath.Join(base, "v"+version, "a.yaml"), machine("a", "10.0.0."+version))
	}
	link(t, "v1", filepath.Join(base, "mesh"))
	w := start(t, filepath.Join(base, "mesh"), 0)
	w.awaitAddress("a", "10.0.0.1")
	link(t, "v2", filepath.Join(base, "next"))
	rename(t, filepath.Join(base, "next"), filepath.Join(base, "mesh"))
	w.awaitAddress("a", "10.0.0.2")
	write(t, filepath.Join(base, "v2", "a.yaml"), machine("a", "10.0.0.3"))
	w.awaitAddress("a", "10.0.0.3")
	if len(w.gone) > 0 {
		t.Errorf("swapping removed %v", w.gone)
	}
}

func TestFolderThatVanishesIsTrouble(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mesh")
	mkdir(t, dir)
	w := start(t, dir, 0)
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	w.awaitAddress("a", "10.0.0.1")
	remove(t, dir)
	w.await("there is trouble", func() bool { return w.trouble != nil })
	mkdir(t, dir)
	write(t, w.path("a.yaml"), machine("a", "10.0.0.2"))
	w.await("it is over", func() bool { return w.trouble == nil && w.address("a") == "10.0.0.2" })
	if want := []string{"trouble true", "trouble false"}; !slices.Equal(slices.Compact(w.observer.told()), want) {
		t.Errorf("the observer was told %q, not %q", w.observer.told(), want)
	}
}

// TestEmptyFolderInstead: below a volume that is not mounted any more is an empty folder, and a folder that is made anew is
// empty at first. Nobody deleted a file then.
func TestEmptyFolderInstead(t *testing.T) {
	for name, replaced := range map[string]func(t *testing.T, dir string){
		"moved away": func(t *testing.T, dir string) {
			t.Helper()
			rename(t, dir, dir+"-before")
			mkdir(t, dir)
		},
		// The new folder may have the number of the old one.
		"made anew": func(t *testing.T, dir string) {
			t.Helper()
			remove(t, dir)
			mkdir(t, dir)
		},
		"another volume": func(t *testing.T, dir string) {
			t.Helper()
			mkdir(t, dir+"-empty")
			link(t, dir+"-empty", dir+"-next")
			rename(t, dir, dir+"-before")
			rename(t, dir+"-next", dir)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "mesh")
			mkdir(t, dir)
			w := start(t, dir, 20*time.Millisecond)
			write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
			write(t, w.path("b.yaml"), machine("b", "10.0.0.2"))
			w.awaitAddress("a", "10.0.0.1")
			w.awaitAddress("b", "10.0.0.2")
			replaced(t, dir)
			w.await("there is trouble", func() bool {
				return w.trouble != nil && strings.Contains(w.trouble.Error(), "another folder stands in its place")
			})
			if len(w.gone) > 0 {
				t.Errorf("%v went with the folder", w.gone)
			}
			// The first file says that the folder is what it is meant to be.
			write(t, w.path("a.yaml"), machine("a", "10.0.0.3"))
			w.await("it is over", func() bool { return w.trouble == nil && w.address("a") == "10.0.0.3" && w.address("b") == "" })
			remove(t, w.path("a.yaml"))
			w.awaitAddress("a", "")
			if w.trouble != nil {
				t.Errorf("deleting the last file is called trouble: %v", w.trouble)
			}
		})
	}
}

func TestUnreadableFileIsTrouble(t *testing.T) {
	w := start(t, t.TempDir(), 0)
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	write(t, w.path("b.yaml"), machine("b", "10.0.0.2"))
	w.awaitAddress("a", "10.0.0.1")
	w.awaitAddress("b", "10.0.0.2")
	link(t, "a.yaml", w.path("loop"))
	rename(t, w.path("loop"), w.path("a.yaml"))
	w.await("there is trouble", func() bool { return w.trouble != nil && len(w.problems["a.yaml"]) > 0 })
	if w.address("a") != "10.0.0.1" {
		t.Errorf("a has the address %q", w.address("a"))
	}
	remove(t, w.path("b.yaml"))
	w.awaitAddress("b", "")
	replace(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	w.await("it is over", func() bool { return w.trouble == nil && len(w.problems["a.yaml"]) == 0 })
	if slices.Contains(w.gone, "a") {
		t.Error("a was removed")
	}
}

// TestBadFromTheStartIsTrouble: what a bad file said before the source was started, nobody knows.
func TestBadFromTheStartIsTrouble(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "kind: Workload\n")
	write(t, filepath.Join(dir, "b.yaml"), machine("b", "10.0.0.2"))
	w := start(t, dir, 0)
	w.awaitSynced()
	if w.trouble == nil || w.address("b") == "" {
		t.Errorf("trouble %v, b at %q", w.trouble, w.address("b"))
	}
	// A bad file that comes later is none: nothing of it was known before.
	write(t, w.path("c.yaml"), "kind: Workload\n")
	w.await("c.yaml is refused", func() bool { return len(w.problems["c.yaml"]) > 0 })
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	w.await("the trouble is over", func() bool { return w.trouble == nil && w.address("a") == "10.0.0.1" })
}

// TestSlowReaderGetsTheDifference: changes merge while nobody receives, and what came back is not sent.
func TestSlowReaderGetsTheDifference(t *testing.T) {
	w := start(t, t.TempDir(), 0)
	write(t, w.path("a.yaml"), machine("a", "10.0.0.1"))
	write(t, w.path("b.yaml"), machine("b", "10.0.0.1"))
	w.awaitAddress("a", "10.0.0.1")
	w.awaitAddress("b", "10.0.0.1")
	before := w.received
	for i := range 50 {
		replace(t, w.path("a.yaml"), machine("a", fmt.Sprintf("10.0.1.%d", i)))
		replace(t, w.path("b.yaml"), machine("b", "10.0.9.9"))
	}
	replace(t, w.path("b.yaml"), machine("b", "10.0.0.1"))
	replace(t, w.path("z.yaml"), "kind: Bad\n")
	// The log tells that all was read, before anything is received.
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for tick := time.NewTicker(time.Millisecond); !strings.Contains(w.log.String(), "z.yaml"); {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatal("the last file is not read")
		}
	}
	w.await("all is received", func() bool { return len(w.problems["z.yaml"]) > 0 })
	if w.received != before+1 || w.address("a") != "10.0.1.49" || w.address("b") != "10.0.0.1" {
		t.Errorf("%d updates, a at %s, b at %s", w.received-before, w.address("a"), w.address("b"))
	}
}

func TestPoliciesAndLocations(t *testing.T) {
	w := start(t, t.TempDir(), 0)
	id := discovery.ObjectID{Kind: "AuthenticationPolicy", Namespace: "default", Name: "strict"}
	policy := "apiVersion: outrigger.dev/v1alpha1\nkind: AuthenticationPolicy\nmetadata: {name: strict}\nspec: {peer: {mode: Strict}}\n"
	begun := time.Now()
	write(t, w.path("p.yaml"), policy)
	w.await("the policy is there", func() bool { return w.policies[id] && w.locations[id] == "p.yaml:1" })
	if w.readAt.Before(begun) || w.readAt.After(time.Now()) {
		t.Errorf("read at %v", w.readAt)
	}
	clear(w.policies)
	replace(t, w.path("p.yaml"), "# moved\n"+policy)
	w.await("its place is known", func() bool { return w.locations[id] == "p.yaml:2" })
	if len(w.policies) > 0 {
		t.Error("a policy that only moved was sent again")
	}
	remove(t, w.path("p.yaml"))
	w.await("it is gone", func() bool { return w.locations[id] == "" })
	if there, sent := w.policies[id]; there || !sent {
		t.Error("the policy was not removed")
	}
}

// TestRescan changes a file behind a link, which the kernel does not tell to those who watch the link.
func TestRescan(t *testing.T) {
	other := filepath.Join(t.TempDir(), "a.yaml")
	write(t, other, machine("a", "10.0.0.1"))
	dir := t.TempDir()
	link(t, other, filepath.Join(dir, "a.yaml"))
	w := start(t, dir, 20*time.Millisecond)
	w.awaitAddress("a", "10.0.0.1")
	write(t, other, machine("a", "10.0.0.22"))
	w.awaitAddress("a", "10.0.0.22")
}

func TestLinksThatLeadBack(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "sub"))
	link(t, "..", filepath.Join(dir, "sub", "up"))
	write(t, filepath.Join(dir, "sub", "a.yaml"), machine("a", "10.0.0.1"))
	loaded, problems, err := file.Load(dir)
	if err != nil || len(problems) > 0 || len(loaded.Workloads) != 1 {
		t.Errorf("%v, %v, %d workloads", err, problems, len(loaded.Workloads))
	}
}

// TestLinksThatLeadNowhere: what stands behind a link is not deleted as long as the link is there.
func TestLinksThatLeadNowhere(t *testing.T) {
	base := t.TempDir()
	volume := filepath.Join(base, "volume")
	mkdir(t, filepath.Join(volume, "sub"))
	write(t, filepath.Join(volume, "a.yaml"), machine("a", "10.0.0.1"))
	write(t, filepath.Join(volume, "sub", "b.yaml"), machine("b", "10.0.0.2"))
	dir := filepath.Join(base, "mesh")
	mkdir(t, dir)
	link(t, "../volume/a.yaml", filepath.Join(dir, "a.yaml"))
	link(t, "../volume/sub", filepath.Join(dir, "sub"))
	w := start(t, dir, 20*time.Millisecond)
	w.awaitAddress("a", "10.0.0.1")
	w.awaitAddress("b", "10.0.0.2")
	write(t, w.path("c.yaml"), machine("c", "10.0.0.3"))
	w.awaitAddress("c", "10.0.0.3")

	remove(t, volume)
	w.await("both are unknown", func() bool {
		return w.trouble != nil && strings.Contains(w.trouble.Error(), "a.yaml") && strings.Contains(w.trouble.Error(), "sub")
	})
	if len(w.gone) > 0 {
		t.Errorf("%v went", w.gone)
	}
	_, problems, err := file.Load(dir)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), "a.yaml: its link leads nowhere") {
		t.Errorf("%v, problems %v", err, problems)
	}
	// Without their links they are deleted, and by intent.
	remove(t, w.path("a.yaml"))
	remove(t, w.path("sub"))
	w.await("both are gone", func() bool { return w.trouble == nil && w.address("a") == "" && w.address("b") == "" })
	if w.address("c") == "" {
		t.Error("c went too")
	}
}

func TestLoadOfNoFolder(t *testing.T) {
	if _, _, err := file.Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error")
	}
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}
