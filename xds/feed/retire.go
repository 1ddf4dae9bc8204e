package feed

import (
	"time"

	"outrigger.dev/outrigger/xds/build"
)

// retirements wait for their delay, which is the same for all, so they stand in order.
type retirements []retirement

type retirement struct {
	build.Retirement
	due time.Time
}

func (r *retirements) add(retired []build.Retirement, due time.Time) {
	for _, one := range retired {
		*r = append(*r, retirement{Retirement: one, due: due})
	}
}

// due takes out those whose delay is over.
func (r *retirements) due(now time.Time) []build.Retirement {
	var over []build.Retirement
	for len(*r) > 0 && !(*r)[0].due.After(now) {
		over = append(over, (*r)[0].Retirement)
		*r = (*r)[1:]
	}
	return over
}

// wait returns how long it is until the next one.
func (r *retirements) wait(now time.Time) (d time.Duration, some bool) {
	if len(*r) == 0 {
		return 0, false
	}
	return (*r)[0].due.Sub(now), true
}
