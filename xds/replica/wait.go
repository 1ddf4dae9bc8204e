package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// How often Wait asks: at first soon, then less and less often.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 500 * time.Millisecond
	// pauseShare is how many times longer than the last answer took a pause is at least.
	pauseShare = 3
)

// Target is what is waited for.
type Target struct {
	// Revision is a digest; empty: that which the source of the server has now, which is asked.
	Revision string
	// Past says that it is enough if the revision was there once. Otherwise, as after a change that was taken back,
	// it must be there while, or after, it is waited for.
	Past bool
}

// ErrUnknownRevision says that it is not known what to wait for.
var ErrUnknownRevision = errors.New("the present revision is not known")

// Wait asks until every open stream of every replica has acknowledged a revision, or refused a part of it, or ctx
// ends; the verdict is the last one. Told is called with each verdict that is not the last.
func (c *Client) Wait(ctx context.Context, target Target, told func(Verdict)) (Verdict, error) {
	return wait(ctx, c.Report, target, told)
}

type asker func(ctx context.Context, standing bool) ([]Answer, error)

func wait(ctx context.Context, ask asker, target Target, told func(Verdict)) (Verdict, error) {
	began, present := time.Now(), target.Revision == ""
	answers, err := ask(ctx, present)
	if err != nil {
		return Verdict{}, err
	}
	if present {
		if target.Revision, err = standing(answers); err != nil {
			return Verdict{}, err
		}
	}
	w := newWaiter(target)
	pause := time.NewTimer(firstPause)
	defer pause.Stop()
	for length := firstPause; ; length = min(length*3/2, lastPause) {
		v := w.judge(answers)
		if v.State != RevisionWaiting {
			return v, nil
		}
		told(v)
		pause.Reset(max(length, pauseShare*time.Since(began)))
		select {
		case <-ctx.Done():
			return v, nil
		case <-pause.C:
		}
		began = time.Now()
		present = present && !w.isRead(answers)
		next, err := ask(ctx, present)
		switch {
		case err == nil:
			answers = next
			w.follow(answers, present)
		case ctx.Err() == nil:
			// It answered before, and may do so again.
			answers[0].State, answers[0].Error = StateAway, err.Error()
		}
	}
}

// standing is the revision that the source of the server has which was asked.
func standing(answers []Answer) (string, error) {
	if len(answers) == 0 || answers[0].Report == nil {
		return "", ErrUnknownRevision
	}
	report := answers[0].Report
	if report.Standing == "" {
		return "", fmt.Errorf("%w: %s", ErrUnknownRevision, strings.TrimSpace(report.Trouble))
	}
	return report.Standing, nil
}
