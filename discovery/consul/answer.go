package consul

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of an answer.
const (
	headerIndex       = "X-Consul-Index"
	headerLastContact = "X-Consul-Lastcontact"
	headerKnownLeader = "X-Consul-Knownleader"
	headerFiltered    = "X-Consul-Results-Filtered-By-Acls"
	headerBackend     = "X-Consul-Query-Backend"
	headerToken       = "X-Consul-Token"
)

// answer is what a query brought, save the values.
type answer struct {
	index       uint64
	lastContact time.Duration
	knownLeader bool
	// streaming says that an agent answered from what the servers stream to it: such answers tell neither of a leader
	// nor of what access rules hide.
	streaming bool
	filtered  bool
	// multiplexed says that the connection carries many queries.
	multiplexed bool
	// digest is that of the body.
	digest uint64
	readAt time.Time
}

// readHeaders takes an answer's headers. Without an index, which is a number, it is not Consul that answers.
func readHeaders(resp *http.Response) (*answer, error) {
	a := &answer{
		knownLeader: resp.Header.Get(headerKnownLeader) != "false",
		streaming:   resp.Header.Get(headerBackend) == "streaming",
		filtered:    resp.Header.Get(headerFiltered) == "true",
		multiplexed: resp.ProtoMajor >= 2,
	}
	var err error
	if a.index, err = strconv.ParseUint(resp.Header.Get(headerIndex), 10, 64); err != nil {
		return nil, fmt.Errorf("%s, by which consul is known: %w", headerIndex, err)
	}
	if text := resp.Header.Get(headerLastContact); text != "" {
		millis, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", headerLastContact, err)
		}
		a.lastContact = time.Duration(millis) * time.Millisecond
	}
	return a, nil
}

// behind is how far the server was behind the leader, where the answer can tell.
func (a *answer) behind() time.Duration {
	if a.streaming {
		return 0
	}
	return a.lastContact
}

// leaderless reports whether the server said that it knows no leader.
func (a *answer) leaderless() bool { return !a.streaming && !a.knownLeader }

// statusError is an answer other than 200.
type statusError struct {
	code int
	text string
	// after is how long the server asks to wait; 0: it does not say.
	after time.Duration
}

func (e *statusError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("status %d", e.code)
	}
	return fmt.Sprintf("status %d: %s", e.code, e.text)
}

// readStatus makes an error of an answer that is no 200.
func readStatus(resp *http.Response, body []byte) error {
	e := &statusError{code: resp.StatusCode, text: strings.ToValidUTF8(strings.TrimSpace(string(body)), "?")}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
		e.after = min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return trouble(reasonDenied, e)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return trouble(reasonThrottled, e)
	}
	return trouble(reasonFailing, e)
}
