package build

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/cache"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts runs the stories in testdata. A block is one batch, a command a line; below
// "----" stands exactly what it changes, so the scripts are the cost model. Rewrite them with
// -update only if you know why they differ.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s differs; it should be:\n%s", file, got)
			}
		})
	}
}

// runScript returns the script with what really happened below each block.
func runScript(t *testing.T, text string) string {
	t.Helper()
	s := &script{builder: New(Config{TrustDomain: "cluster.local"}), world: newWorld(), aliases: map[cache.LayerID]string{}}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		commands, _, isBatch := strings.Cut(block, "\n----")
		if !isBatch {
			out = append(out, block)
			continue
		}
		result, err := s.run(commands)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, commands)
		}
		out = append(out, commands+"\n----\n"+result)
	}
	return strings.Join(out, "\n\n") + "\n"
}

// script is a Builder with all that it has said so far.
type script struct {
	builder *Builder
	world   *world
	pending []Retirement
	// aliases name classes in the order of their appearance in views, so that a hash is no part of a story.
	aliases map[cache.LayerID]string
}

func (s *script) run(commands string) (string, error) {
	var batch Batch
	for line := range strings.SplitSeq(commands, "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if line == "retire" {
			batch.Retire, s.pending = append(batch.Retire, s.pending...), nil
			continue
		}
		if err := parseCommand(line, &batch); err != nil {
			return "", fmt.Errorf("%q: %w", line, err)
		}
	}
	before := s.world.clone()
	changes := s.builder.Apply(batch)
	if err := s.world.apply(changes); err != nil {
		return "", err
	}
	s.pending = append(s.pending, changes.Retired...)
	return s.describe(before, changes), nil
}

func (s *script) describe(before *world, c Changes) string {
	for _, node := range sortedKeys(c.Nodes) {
		s.viewText(c.Nodes[node])
	}
	resources := slices.Clone(c.Resources)
	slices.SortStableFunc(resources, func(x, y cache.Change) int { return strings.Compare(s.alias(x.Layer), s.alias(y.Layer)) })
	var lines []string
	for _, r := range resources {
		sign := "~"
		switch _, known := before.resources[place{r.Layer, r.Ref}]; {
		case r.Resource == nil:
			sign = "-"
		case !known:
			sign = "+"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", sign, s.alias(r.Layer), r.Ref.Type, r.Ref.Name))
	}
	for _, node := range sortedKeys(c.Nodes) {
		lines = append(lines, "node "+node+": "+s.viewText(c.Nodes[node]))
	}
	for _, r := range c.Retired {
		lines = append(lines, fmt.Sprintf("retired %s:%d %q", r.Service, r.Port, r.Identity))
	}
	lines = append(lines, problemLines(c.Problems)...)
	w := c.Work
	lines = append(lines, fmt.Sprintf("work: ports %d, listeners %d, workloads %d, egress %d", w.Ports, w.Listeners, w.Workloads, w.Egress))
	return strings.Join(lines, "\n")
}

func (s *script) alias(id cache.LayerID) string {
	if !strings.HasPrefix(string(id), classPrefix) {
		return string(id)
	}
	if s.aliases[id] == "" {
		s.aliases[id] = fmt.Sprintf("class/%d", len(s.aliases)+1)
	}
	return s.aliases[id]
}

func (s *script) viewText(v *cache.ViewSpec) string {
	if v == nil {
		return "gone"
	}
	var layers []string
	for _, id := range v.Layers {
		layers = append(layers, s.alias(id))
	}
	return strings.Join(layers, " ") + ", scope " + v.Scope.Key()
}

func problemLines(problems map[discovery.ObjectID][]discovery.Problem) []string {
	var lines []string
	for object, list := range problems {
		if len(list) == 0 {
			lines = append(lines, fmt.Sprintf("problem %s: none", object))
		}
		for _, p := range list {
			lines = append(lines, "problem "+p.String())
		}
	}
	slices.Sort(lines)
	return lines
}
