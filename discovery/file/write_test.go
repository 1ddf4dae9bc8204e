package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
)

// cutCase is a content whose beginning, up to a cut, is good too and says something else.
type cutCase struct {
	// before is what the file holds at first, and content what is written then.
	before, content string
	// cut is the text with which the part begins that is missing for a while.
	cut string
	// seen says what an update tells of the object; empty for nothing.
	seen func(file.Update) string
	// wasSeen and isSeen are what there is to see of before and of content.
	wasSeen, isSeen string
}

var cutCases = map[string]cutCase{
	"a policy without its selector is for everybody": {
		before:  cutPolicy("Strict"),
		content: cutPolicy("Disabled"),
		cut:     "  selector:",
		seen:    seenPolicy,
		wasSeen: "Strict for map[app:web]", isSeen: "Disabled for map[app:web]",
	},
	"a selector without its last label": {
		before:  cutPolicy("Strict", "tier: front"),
		content: cutPolicy("Disabled", "tier: front"),
		cut:     "      tier:",
		seen:    seenPolicy,
		wasSeen: "Strict for map[app:web tier:front]", isSeen: "Disabled for map[app:web tier:front]",
	},
	"a service without its last port": {
		before:  cutService(80, 81),
		content: cutService(80, 81, 82),
		cut:     "  - {name: p82",
		seen:    seenService,
		wasSeen: "[80 81]", isSeen: "[80 81 82]",
	},
	"a number without its last digit": {
		before:  cutService(80),
		content: strings.TrimSuffix(cutService(80), "}\n") + "00}\n",
		cut:     "00}",
		seen:    seenService,
		wasSeen: "[80]", isSeen: "[8000]",
	},
	"an earlier document alone": {
		before:  cutPolicy("Strict") + "---\n" + cutService(80),
		content: cutPolicy("Strict") + "---\n" + cutService(80, 81),
		cut:     "---",
		seen:    seenService,
		wasSeen: "[80]", isSeen: "[80 81]",
	},
}

func cutPolicy(mode string, labels ...string) string {
	text := "apiVersion: outrigger.dev/v1alpha1\nkind: AuthenticationPolicy\nmetadata: {name: web}\n" +
		"spec:\n  peer:\n    mode: " + mode + "\n  selector:\n    matchLabels:\n      app: web\n"
	for _, label := range labels {
		text += "      " + label + "\n"
	}
	return text
}

func cutService(ports ...int) string {
	text := "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  ports:\n"
	for _, port := range ports {
		text += fmt.Sprintf("  - {name: p%d, port: %d}\n", port, port)
	}
	return text
}

func seenPolicy(update file.Update) string {
	id := discovery.ObjectID{Kind: "AuthenticationPolicy", Namespace: "default", Name: "web"}
	policy, told := update.Policies.AuthenticationPolicies[id]
	switch {
	case !told:
		return ""
	case policy == nil:
		return "gone"
	}
	return fmt.Sprintf("%s for %v", policy.Spec.Peer.Mode, policy.Spec.Selector.MatchLabels)
}

func seenService(update file.Update) string {
	service, told := update.Services[discovery.ServiceID{Namespace: "default", Name: "web"}]
	switch {
	case !told:
		return ""
	case service == nil:
		return "gone"
	}
	var ports []uint16
	for _, port := range service.Ports {
		ports = append(ports, port.Port)
	}
	return fmt.Sprint(ports)
}

// TestBeginningIsNotBelieved writes files where they stand: no beginning of a content may have an effect.
func TestBeginningIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, c := range cutCases {
		for _, rewritten := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, rewritten %t", name, rewritten), func(t *testing.T) {
				t.Parallel()
				c.run(t, rewritten, writeWithPause)
			})
		}
		t.Run(name+", byte by byte", func(t *testing.T) {
			t.Parallel()
			c.run(t, true, func(w *watcher, name string, c *cutCase) { slowly(w.t, name, c.content) })
		})
	}
}

func (c *cutCase) run(t *testing.T, rewritten bool, save func(*watcher, string, *cutCase)) {
	t.Helper()
	// Long, so that a slow machine does not look like a writer who is done.
	w := startWith(t, file.Config{Dir: t.TempDir(), Settle: 700 * time.Millisecond})
	var seen, want []string
	w.each = func(update file.Update) {
		if text := c.seen(update); text != "" {
			seen = append(seen, text)
		}
	}
	w.awaitSynced()
	if rewritten {
		replace(t, w.path("web.yaml"), c.before)
		w.await("the first content is there", func() bool { return slices.Contains(seen, c.wasSeen) })
		want = append(want, c.wasSeen)
	}
	save(w, w.path("web.yaml"), c)
	want = append(want, c.isSeen)
	w.await("the new content is there", func() bool { return slices.Contains(seen, c.isSeen) })
	if !slices.Equal(seen, want) {
		t.Errorf("seen was %q, not %q", seen, want)
	}
	if log := w.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("a beginning is called bad:\n%s", log)
	}
}

// writeWithPause stops at the cut until the source has looked at what is there.
func writeWithPause(w *watcher, name string, c *cutCase) {
	w.t.Helper()
	f, err := os.Create(name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	cut := strings.LastIndex(c.content, c.cut)
	if _, err := f.WriteString(c.content[:cut]); err != nil {
		w.t.Fatal(err)
	}
	replace(w.t, w.path("marker.yaml"), machine("marker", "10.9.9.9"))
	w.awaitAddress("marker", "10.9.9.9")
	if _, err := f.WriteString(c.content[cut:]); err != nil {
		w.t.Fatal(err)
	}
}

// TestRenamedIntoPlaceIsBelievedAtOnce has a settling time that never ends.
func TestRenamedIntoPlaceIsBelievedAtOnce(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	mkdir(t, filepath.Join(base, "mesh"))
	w := startWith(t, file.Config{Dir: filepath.Join(base, "mesh"), Settle: time.Hour})
	w.awaitSynced()
	name := w.path("a.yaml")
	replace(t, name, machine("a", "10.0.0.1")+"---\n"+machine("b", "10.0.0.1"))
	w.awaitAddress("a", "10.0.0.1")
	replace(t, name, machine("a", "10.0.0.2"))
	w.awaitAddress("a", "10.0.0.2")
	w.awaitAddress("b", "")

	// From beside the folder.
	write(t, filepath.Join(base, "next"), machine("a", "10.0.0.3"))
	rename(t, filepath.Join(base, "next"), name)
	w.awaitAddress("a", "10.0.0.3")

	// From where nobody looks; the file is older than any pause of its writer.
	aside := filepath.Join(t.TempDir(), "next")
	write(t, aside, machine("a", "10.0.0.4"))
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(aside, old, old); err != nil {
		t.Fatal(err)
	}
	rename(t, aside, name)
	w.awaitAddress("a", "10.0.0.4")

	// What is written where it stands after that is not believed, although it was renamed into place once.
	write(t, name, machine("a", "10.0.0.5"))
	replace(t, w.path("c.yaml"), machine("c", "10.0.0.1"))
	w.awaitAddress("c", "10.0.0.1")
	if w.address("a") != "10.0.0.4" {
		t.Errorf("a has the address %s", w.address("a"))
	}
}
