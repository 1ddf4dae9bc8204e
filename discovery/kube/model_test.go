package kube

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testID = discovery.SourceID{Kind: Kind, Name: "test"}

// model is a world with its worker, fed by hand: a source without an API server.
type model struct {
	*world
	worker *worker
	sinks  map[string]sink
	decode runtime.Decoder
}

func newModel(tb testing.TB) *model {
	tb.Helper()
	scheme, err := newScheme()
	if err != nil {
		tb.Fatal(err)
	}
	w := newWorld()
	m := &model{
		world: w, worker: newWorker(testID, w, time.Now, slog.New(slog.DiscardHandler)),
		decode: serializer.NewCodecFactory(scheme).UniversalDeserializer(),
		sinks: map[string]sink{
			kindService: w.servicesSink(), kindSlice: w.slicesSink(func(time.Time) {}), kindPod: w.podsSink(),
			kindNode: w.nodesSink(), kindNamespace: w.namespacesSink(), kindWorkload: w.machinesSink(),
		},
	}
	for _, s := range m.sinks {
		s.begin()
	}
	return m
}

// object reads the manifest of one object.
func (m *model) object(tb testing.TB, manifest string) (runtime.Object, sink) {
	tb.Helper()
	text, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		tb.Fatalf("%v in\n%s", err, manifest)
	}
	object, kind, err := m.decode.Decode(text, nil, nil)
	if err != nil {
		tb.Fatalf("%v in\n%s", err, manifest)
	}
	return object, m.sinks[kind.Kind]
}

// load adds manifests to the first state.
func (m *model) load(tb testing.TB, manifests string) {
	tb.Helper()
	for manifest := range bytes.SplitSeq([]byte(manifests), []byte("\n---\n")) {
		object, into := m.object(tb, string(manifest))
		into.collect(object, false)
	}
}

// begin ends the first state and returns the first update.
func (m *model) begin(tb testing.TB) discovery.Update {
	tb.Helper()
	m.mu.Lock()
	for _, s := range m.sinks {
		s.replace()
	}
	m.mu.Unlock()
	return m.take(tb)
}

// event puts one object in.
func (m *model) event(tb testing.TB, manifest string, gone bool) {
	tb.Helper()
	object, into := m.object(tb, manifest)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reading = time.Now()
	into.event(object, gone)
	into.apply()
}

// take builds everything that waits and receives it.
func (m *model) take(tb testing.TB) discovery.Update {
	tb.Helper()
	for m.worker.step() {
	}
	update, _ := m.worker.pending(false)
	m.worker.sent(update)
	return update
}
