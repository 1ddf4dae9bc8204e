package server

import (
	"context"
	"sync"
)

// reply takes the answer to an inquiry. Its capacity is one, so that a stream never waits for who asked.
type reply chan StreamInfo

// inquiries are the questions how a stream is that it has not answered yet. However many there
// are, one letter in the mailbox stands for them.
type inquiries struct {
	mu      sync.Mutex
	waiting map[reply]struct{}
	posted  bool
}

// ask puts a question to the stream; answer must be called with what it returns.
func (st *stream) ask() reply {
	to := make(reply, 1)
	q := &st.inquiries
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = map[reply]struct{}{}
	}
	q.waiting[to] = struct{}{}
	if !q.posted {
		q.posted = true
		st.mailbox.put(st.onInquiry)
	}
	return to
}

// answer waits for the answer, until the stream or ctx ends. A nil reply has none.
func (st *stream) answer(ctx context.Context, from reply) (StreamInfo, bool) {
	if from == nil {
		return StreamInfo{}, false
	}
	select {
	case info := <-from:
		return info, true
	case <-st.done:
	case <-ctx.Done():
	}
	st.inquiries.withdraw(from)
	select {
	case info := <-from: // It came before the end.
		return info, true
	default:
		return StreamInfo{}, false
	}
}

func (q *inquiries) withdraw(to reply) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, to)
}

// onInquiry answers all who ask.
func (st *stream) onInquiry() error {
	q := &st.inquiries
	q.mu.Lock()
	defer q.mu.Unlock()
	q.posted = false
	if len(q.waiting) == 0 {
		return nil
	}
	info := st.info()
	for to := range q.waiting {
		to <- info
	}
	q.waiting = nil
	return nil
}
