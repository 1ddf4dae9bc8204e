package consul

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/time/rate"
)

const (
	// pollRate and pollBurst bound how often one query is made again, however fast its index moves.
	pollRate, pollBurst = 4, 2
	// readBudget bounds the bytes per second that the answers to one query may have.
	readBudget = 4 << 20
	// filteredWait is how long a query blocks whose last answer was filtered: rights that come back do not end it.
	filteredWait = 5 * time.Second
	// freshWait is how long a server may take to catch up with what another said.
	freshWait = time.Second
	// maxFetches is how often one read is made anew, from the leader or with another token.
	maxFetches = 3
)

// watch is one blocking query. One goroutine at a time owns it.
type watch struct {
	id      watchID
	wait    time.Duration
	decoder decoder
	*shared

	bucket *rate.Limiter
	random *rand.Rand
	cursor cursor
	// digest and partial are those of the answer that was told last.
	digest, size uint64
	told         bool
	partial      bool
	troubled     bool
	failures     int
}

// shared is what the watches of a run have in common.
type shared struct {
	config *Config
	client *client
	// gate has room for those whose answer should come at once, and pace spreads those that block: when a server
	// lets go of all queries, they do not come back in one moment.
	gate chan struct{}
	pace *rate.Limiter
	// leader says when all queries go to the leader.
	leader preference
	bell   *bell
	stats  *stats
	news   chan<- news
}

func (s *shared) watch(id watchID, wait time.Duration, d decoder) *watch {
	return &watch{
		id: id, wait: wait, decoder: d, shared: s,
		bucket: rate.NewLimiter(pollRate, pollBurst),
		random: rand.New(rand.NewPCG(s.config.Seed, xxhash.Sum64String(id.String()))),
	}
}

// run asks and tells until ctx ends.
func (w *watch) run(ctx context.Context) error {
	for {
		if err := w.bucket.Wait(ctx); err != nil {
			return ctx.Err()
		}
		if err := w.step(ctx); err != nil {
			return err
		}
	}
}

// step makes one query, tells what came of it, and waits when it failed.
func (w *watch) step(ctx context.Context) error {
	ring := w.bell.wait()
	n, err := w.ask(ctx, 0)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errReplaced):
		w.cursor.retry()
		return nil
	case err != nil:
		return w.fail(ctx, err, ring)
	}
	return w.tell(ctx, n)
}

// fetch reads once, without blocking, and tells what came of it. Fresh, when not 0, is an index that the answer should have passed.
// What is in doubt is read again from the leader.
func (w *watch) fetch(ctx context.Context, fresh uint64) error {
	for range maxFetches {
		w.cursor.retry()
		n, err := w.ask(ctx, fresh)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errReplaced):
			continue
		case err != nil:
			return w.failed(ctx, err)
		}
		if err := w.tell(ctx, n); err != nil || (n.err == nil && !n.undecided) || n.partial {
			return err
		}
	}
	return nil
}

// tell passes on what is news: a payload, the beginning or the end of trouble, and that the catalog is well.
func (w *watch) tell(ctx context.Context, n news) error {
	if n.undecided {
		return nil
	}
	recovered := w.troubled && n.err == nil
	if w.failures = 0; n.payload == nil && !recovered && n.err == nil && w.id.kind == kindHealth {
		return nil
	}
	w.troubled = n.err != nil
	if recovered && w.id.kind == kindCatalog {
		w.bell.ring()
	}
	return w.send(ctx, n)
}

func (w *watch) send(ctx context.Context, n news) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case w.news <- n:
		return nil
	}
}

// ask makes one query.
func (w *watch) ask(ctx context.Context, fresh uint64) (news, error) {
	r := request{path: w.id.path(), peer: w.id.name.peer, index: w.cursor.index, wait: w.blocks()}
	if w.cursor.sure || w.leader.asked(w.config.Clock()) {
		r.consistency = leading
	}
	if r.index == 0 && fresh > 0 {
		r.index, r.wait = fresh, freshWait
	}
	leave, err := w.enter(ctx, r.index == 0 || fresh > 0)
	if err != nil {
		return news{}, err
	}
	defer leave()
	n := news{from: w}
	a, err := w.client.get(ctx, r, func(a *answer, body []byte) error {
		w.size = uint64(len(body))
		return w.judge(a, body, &n)
	})
	if err != nil {
		return news{}, err
	}
	w.stats.answered(a, n)
	w.bucket.SetLimit(rate.Limit(min(pollRate, readBudget/float64(w.size+1))))
	n.readAt, n.multiplexed, n.index = a.readAt, a.multiplexed, max(a.index, 1)
	return n, nil
}

// judge takes an answer by the rules of the cursor, and decodes it where it is news.
func (w *watch) judge(a *answer, body []byte, n *news) error {
	verdict, doubt := w.cursor.take(a, w.config.MaxStale)
	if doubt != nil && reasonOf(doubt) == reasonStale {
		w.leader.prefer(a.readAt)
	}
	n.err, n.partial = doubt, verdict == partial
	if verdict == doubted || (w.told && a.digest == w.digest && n.partial == w.partial) {
		return nil
	}
	decoded, err := w.decoder.decode(body)
	if err != nil {
		w.cursor.retry()
		return err
	}
	shrinks, same := w.decoder.compare(decoded)
	if a.streaming && shrinks {
		// Such an answer does not say whether access rules hide what it lacks: the leader does.
		w.cursor.restart()
		n.undecided = true
		return nil
	}
	if !w.told || !same {
		n.payload = decoded
	}
	w.decoder.accept(decoded, n.partial)
	w.told, w.digest, w.partial = true, a.digest, n.partial
	return nil
}

// blocks is how long the next query may block.
func (w *watch) blocks() time.Duration {
	switch {
	case w.cursor.index == 0:
		return 0
	case w.partial:
		return min(w.wait, filteredWait)
	}
	return w.wait
}

// enter waits until a query may be made.
func (w *watch) enter(ctx context.Context, atOnce bool) (leave func(), err error) {
	if !atOnce {
		return func() {}, w.pace.Wait(ctx)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case w.gate <- struct{}{}:
		return func() { <-w.gate }, nil
	}
}
