package rude

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// Config is what one rude client needs.
type Config struct {
	Address string
	TLS     *tls.Config
	// Token proves that the client is Node of Cluster.
	Token, Node, Cluster string
	// Foreign is a node that the token is not for.
	Foreign string
	// Pace is the time between two things that the client does. Zero: 20 ms.
	Pace time.Duration
	// Seed makes what it does by chance the same every time.
	Seed uint64
}

// Kind is a way to be rude.
type Kind struct {
	Name string
	// Ends are the statuses with which a server may end its streams. A connection that is closed counts as Unavailable.
	Ends []codes.Code
	// Must is the status with which it has to end one at least, soon; codes.OK if there is no such thing.
	Must codes.Code
	// sotw is for the state-of-the-world form of the protocol, in place of the delta form.
	sotw bool
	// early says that no message is ever said.
	early bool
	// round does its worst over one connection until that or ctx ends, and counts every end of a stream. An error is
	// that of the connection.
	round func(ctx context.Context, c *client) error
}

// Kinds are all of them: those of the delta form, and behind them the same of the state-of-the-world form, without those that
// end before the first message has been said.
func Kinds() []Kind {
	kinds := deltaKinds()
	for _, k := range deltaKinds() {
		if !k.early {
			k.Name, k.sotw = k.Name+", state of the world", true
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func deltaKinds() []Kind {
	busy := []codes.Code{codes.Unavailable}
	return []Kind{
		{Name: "refuses all", Ends: busy, round: refuseAll},
		{Name: "10,000 names", Ends: busy, round: manyNames},
		{Name: "names that never exist", Ends: busy, round: missingNames},
		{Name: "another's node", Ends: []codes.Code{codes.PermissionDenied, codes.Unavailable}, Must: codes.PermissionDenied, round: anothersNode},
		{Name: "switches its node", Ends: busy, round: switchNode},
		{Name: "reconnects", Ends: busy, round: reconnect},
		{Name: "1,000 streams", Ends: busy, Must: codes.Unavailable, round: thousandStreams},
		{Name: "any order", Ends: []codes.Code{codes.InvalidArgument, codes.Unavailable}, Must: codes.InvalidArgument, round: anyOrder},
		{Name: "garbage", Ends: []codes.Code{codes.InvalidArgument, codes.Unavailable}, Must: codes.InvalidArgument, round: garbage},
		{Name: "too long", Ends: []codes.Code{codes.ResourceExhausted, codes.Unavailable}, Must: codes.ResourceExhausted, round: tooLong},
		{Name: "floods", Ends: []codes.Code{codes.ResourceExhausted, codes.Unavailable}, round: flood},
		{Name: "reads nothing", Ends: []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, round: readNothing},
		{Name: "a byte a second", Ends: []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, early: true, round: byteByByte},
		{Name: "half-open", Ends: []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, early: true, round: halfOpen},
	}
}

// Tally counts what clients of a kind did, and how the server ended their streams.
type Tally struct {
	mu     sync.Mutex
	rounds int
	ends   map[codes.Code]int
	last   map[codes.Code]string
}

// Rounds is how many connections were made.
func (t *Tally) Rounds() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rounds
}

// Ends is how many streams were ended with a status.
func (t *Tally) Ends(code codes.Code) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ends[code]
}

// String lists the statuses with their numbers.
func (t *Tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	parts := []string{fmt.Sprintf("%d connections", t.rounds)}
	for code := range codes.Code(17) {
		if n := t.ends[code]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, code))
		}
	}
	return strings.Join(parts, ", ")
}

func (t *Tally) began() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rounds++
}

func (t *Tally) ended(code codes.Code, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ends == nil {
		t.ends, t.last = map[codes.Code]int{}, map[codes.Code]string{}
	}
	t.ends[code]++
	t.last[code] = text
}

// Run makes connection after connection until ctx ends, and counts into a tally.
// The error says that a stream ended as it must not.
func (k Kind) Run(ctx context.Context, config Config, tally *Tally) error {
	if config.Pace == 0 {
		config.Pace = 20 * time.Millisecond
	}
	c := &client{config: config, sotw: k.sotw, tally: tally, chance: rand.New(rand.NewPCG(config.Seed, 1))}
	for ; ctx.Err() == nil; c.number++ {
		tally.began()
		if err := k.round(ctx, c); err != nil && ctx.Err() == nil {
			tally.ended(codes.Unavailable, err.Error())
		}
		c.pause(ctx)
	}
	return k.judge(tally)
}

func (k Kind) judge(t *Tally) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for code, n := range t.ends {
		if !slices.Contains(k.Ends, code) {
			return fmt.Errorf("%s: %d streams ended with %s: %s", k.Name, n, code, t.last[code])
		}
	}
	return nil
}

// client is one rude client over all its rounds; one goroutine uses it.
type client struct {
	config Config
	sotw   bool
	tally  *Tally
	chance *rand.Rand
	number int // of the round
}

// pause waits for the client's pace, and reports whether there is time left.
func (c *client) pause(ctx context.Context) bool { return wait(ctx, c.config.Pace) }

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
