package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/certs"
)

// What Config leaves out.
const (
	// DefaultInFlight is how many reviews an API server is asked at once: at 5 ms each, ten thousand proxies are let in within
	// seconds, and the API server has hands free for others.
	DefaultInFlight = 64
	// DefaultRemember is how long a good answer is taken again, and the longest that it may be.
	DefaultRemember = time.Minute
	// DefaultTimeout bounds one review.
	DefaultTimeout = 10 * time.Second
	// DefaultCached is how many answers are remembered.
	DefaultCached = 20_000
)

// TokenReviews is the part of the API server's client that a Reviewer needs; [NewClient] makes one.
type TokenReviews interface {
	Create(ctx context.Context, review *authenticationv1.TokenReview, options metav1.CreateOptions) (*authenticationv1.TokenReview, error)
}

// NewClient returns a client that sets no limit of its own on how often it asks.
func NewClient(config *rest.Config) (TokenReviews, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of kubernetes at %s: %w", config.Host, err)
	}
	return client.TokenReviews(), nil
}

// Config says whom to ask and how.
type Config struct {
	Client TokenReviews
	// Audience is whom tokens must be meant for; empty: certs.TokenAudience.
	Audience string
	// InFlight, Remember, Timeout and Cached are DefaultInFlight and so on when they are 0.
	InFlight int
	Remember time.Duration
	Timeout  time.Duration
	Cached   int
	// Clock tells how long answers are good; nil is the machine's.
	Clock func() time.Time
}

// checked returns the config with what it leaves out.
func (c Config) checked() (Config, error) {
	if c.Client == nil {
		return c, errors.New("token reviewer: config without client")
	}
	if c.Remember > DefaultRemember {
		return c, fmt.Errorf("token reviewer: answers would be remembered for %s: at most %s", c.Remember, DefaultRemember)
	}
	if c.Audience == "" {
		c.Audience = certs.TokenAudience
	}
	setDefault(&c.InFlight, DefaultInFlight)
	setDefault(&c.Remember, DefaultRemember)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.Cached, DefaultCached)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c, nil
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
