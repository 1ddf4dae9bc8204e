package serve

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/merge"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/compile"
	"outrigger.dev/outrigger/xds/feed"
)

// The finders of problems.
const (
	finderClaims  = "claims"
	finderRules   = "policies"
	finderConsuls = "consuls"
	finderMerge   = "registries"
	finderModel   = "mesh"
)

// meshConfigID is the one MeshConfig.
var meshConfigID = discovery.ObjectID{Kind: v1alpha1.KindMeshConfig, Name: v1alpha1.MeshConfigName}

// input takes what the sources say to all who need it: members first, so that nobody is let in as
// somebody else, then compiled rules and model together to the feed. It makes one mesh of all registries.
type input struct {
	news     chan news
	claims   *claims
	compiler *compile.Compiler
	merge    *merge.Merge
	members  *members
	problems *board
	sources  *watch
	feed     *feed.Feed
	// consuls are started and stopped as the MeshConfig says.
	consuls *consuls
	// took is told which objects are in use; nil where nobody asks.
	took   func(compile.Objects)
	logger *slog.Logger

	// judged says that all registries were known once; unjudged is what was found wrong between them before that.
	judged   bool
	unjudged map[discovery.ObjectID][]discovery.Problem
}

// run goes on until ctx ends.
func (i *input) run(ctx context.Context) error {
	defer i.consuls.wait()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case said := <-i.news:
			i.take(ctx, said)
		}
	}
}

func (i *input) take(ctx context.Context, said news) {
	i.sources.told(said.Update, time.Now())
	objects, twice := i.claims.take(said.Source, said.policies)
	rules, wrong := i.compiler.Apply(objects)
	i.problems.setFiles(said.files, objects.Locations)
	logProblems(ctx, i.logger, i.problems.set(said.Source.String(), said.Problems))
	logProblems(ctx, i.logger, i.problems.set(finderClaims, twice))
	logProblems(ctx, i.logger, i.problems.set(finderRules, wrong))
	if i.took != nil && said.Source.Kind == kindPolicies {
		i.took(said.policies)
	}
	// What joins what is known before there is something to join.
	i.rule(ctx, rules)
	i.pass(ctx, i.merge.Apply(said.Update), feed.Input{Rules: rules, Revision: said.revision, ReadAt: said.ReadAt})
}

// forget takes away all that a source said that is no longer configured.
func (i *input) forget(ctx context.Context, source discovery.SourceID) {
	i.sources.forget(source)
	i.problems.set(source.String(), i.problems.emptied(source.String()))
	i.pass(ctx, i.merge.Remove(source), feed.Input{ReadAt: time.Now()})
}

// rule does what a changed MeshConfig says of registries.
func (i *input) rule(ctx context.Context, rules policy.Update) {
	mesh, changed := meshOf(rules)
	if !changed {
		return
	}
	logProblems(ctx, i.logger, i.problems.set(finderConsuls, map[discovery.ObjectID][]discovery.Problem{
		meshConfigID: i.consuls.want(ctx, mesh.Consul),
	}))
	i.pass(ctx, i.merge.Rules(mesh.Joins), feed.Input{})
}

// meshOf returns what the MeshConfig says now, if it changed. There is one object of that kind, named default.
func meshOf(rules policy.Update) (mesh *policy.MeshRule, changed bool) {
	for _, rule := range rules.Mesh {
		if rule == nil {
			return &policy.MeshRule{}, true
		}
		return rule, true
	}
	return nil, false
}

// pass hands on what was merged, the first part with all that came with it.
func (i *input) pass(ctx context.Context, merged merge.Changes, with feed.Input) {
	i.judge(ctx, merged.Problems)
	for _, update := range merged.Updates {
		i.members.apply(update)
		with.Update = update
		i.feed.Offer(with)
		with = feed.Input{}
	}
	if len(merged.Updates) == 0 {
		i.feed.Offer(with)
	}
}

// judge tells what is wrong between registries once all of them are known: until then nearly everything seems to be missing.
func (i *input) judge(ctx context.Context, found map[discovery.ObjectID][]discovery.Problem) {
	if i.unjudged == nil {
		i.unjudged = map[discovery.ObjectID][]discovery.Problem{}
	}
	maps.Copy(i.unjudged, found)
	if i.judged = i.judged || i.sources.synced(); !i.judged {
		return
	}
	logProblems(ctx, i.logger, i.problems.set(finderMerge, i.unjudged))
	i.unjudged = nil
}
