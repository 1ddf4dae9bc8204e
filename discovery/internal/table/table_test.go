package table_test

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery/internal/table"
)

// thing is a value whose place does not count.
type thing struct {
	text  string
	place int
}

func equal(a, b *thing) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.text == b.text
}

// TestReaderHasWhatThereIs changes a table at random, and lets a reader take what is pending now and then.
func TestReaderHasWhatThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := table.New[string](equal)
		truth, reader := make(map[string]*thing), make(map[string]*thing)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				of.Remove(key)
				delete(truth, key)
			case 1:
				take(t, of, reader)
			default:
				truth[key] = &thing{text: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "text")}
				of.Put(key, truth[key])
			}
			if got := of.Get(key); !equal(got, truth[key]) {
				t.Fatalf("%s is %v, not %v", key, got, truth[key])
			}
		}
		take(t, of, reader)
		if !maps.EqualFunc(reader, truth, equal) {
			t.Fatalf("the reader has %v, not %v", reader, truth)
		}
	})
}

// take hands over what is pending, all of which has to differ.
func take(t *rapid.T, of *table.Table[string, *thing], reader map[string]*thing) {
	for key, value := range of.Pending() {
		if equal(reader[key], value) {
			t.Fatalf("%s is sent and did not change", key)
		}
		if reader[key] = value; value == nil {
			delete(reader, key)
		}
	}
	of.Commit()
	if again := of.Pending(); again != nil {
		t.Fatalf("after a commit something is pending: %v", again)
	}
}

// TestNewestOfEqualValues: what waits is replaced by an equal value, what was sent is not.
func TestNewestOfEqualValues(t *testing.T) {
	of := table.New[string](equal)
	of.Put("a", &thing{text: "x", place: 1})
	of.Put("a", &thing{text: "x", place: 2})
	if got := of.Pending()["a"]; got.place != 2 {
		t.Errorf("the value that stood at %d is sent", got.place)
	}
	of.Commit()
	of.Put("a", &thing{text: "x", place: 3})
	if got := of.Get("a"); got.place != 2 || of.Pending() != nil {
		t.Errorf("an equal value takes the place of the one that was sent: %v, pending %v", got, of.Pending())
	}
}

// TestTaken: what was committed is the reader's.
func TestTaken(t *testing.T) {
	of := table.New[string](equal)
	of.Put("a", &thing{text: "x"})
	taken := of.Pending()
	of.Commit()
	of.Put("b", &thing{text: "y"})
	if len(taken) != 1 || taken["b"] != nil {
		t.Errorf("what was taken became %v", taken)
	}
}

// TestEmptyIsNone: a value that equals the zero value is none, for tables whose values are no pointers too.
func TestEmptyIsNone(t *testing.T) {
	of := table.New[string](func(a, b []string) bool { return len(a) == len(b) })
	of.Put("a", []string{})
	if of.Pending() != nil {
		t.Errorf("an empty list is pending: %v", of.Pending())
	}
	of.Put("a", []string{"wrong"})
	of.Commit()
	of.Put("a", []string{})
	if value, sent := of.Pending()["a"]; !sent || value != nil || of.Get("a") != nil {
		t.Errorf("the empty list is sent as %v (%v)", value, sent)
	}
}
