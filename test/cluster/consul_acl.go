package cluster

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/consul/api"
)

// ReadRules are the rights that a source of Outrigger needs.
const ReadRules = `
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
`

// ConsulToken is an ACL token with a policy of its own.
type ConsulToken struct {
	// Secret is what requests carry.
	Secret string
	// Accessor is the token's id.
	Accessor string

	policy string // its id
}

// ShortestLife is the least time for which Consul lets a token live that ends by itself.
const ShortestLife = time.Minute

// MakeToken makes a token with rights in Consul's rule language, such as ReadRules.
func (c *Consul) MakeToken(ctx context.Context, rules string) (ConsulToken, error) {
	return c.makeToken(ctx, rules, 0)
}

// MakeShortToken makes a token that expires after ShortestLife.
func (c *Consul) MakeShortToken(ctx context.Context, rules string) (ConsulToken, error) {
	return c.makeToken(ctx, rules, ShortestLife)
}

// makeToken makes a token that expires after a time; 0: never.
func (c *Consul) makeToken(ctx context.Context, rules string, life time.Duration) (ConsulToken, error) {
	write := (&api.WriteOptions{}).WithContext(ctx)
	policy, _, err := c.Client().ACL().PolicyCreate(&api.ACLPolicy{Name: "test-" + uuid(), Rules: rules}, write)
	if err != nil {
		return ConsulToken{}, fmt.Errorf("policy: %w", err)
	}
	token, _, err := c.Client().ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{ID: policy.ID}}, ExpirationTTL: life}, write)
	if err != nil {
		return ConsulToken{}, fmt.Errorf("token: %w", err)
	}
	return ConsulToken{Secret: token.SecretID, Accessor: token.AccessorID, policy: policy.ID}, nil
}

// SetRules gives a token other rights, at once for the servers, within Consul's cache time for client agents.
func (c *Consul) SetRules(ctx context.Context, token ConsulToken, rules string) error {
	policy, _, err := c.Client().ACL().PolicyRead(token.policy, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return err
	}
	policy.Rules = rules
	_, _, err = c.Client().ACL().PolicyUpdate(policy, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// DeleteToken makes requests with the token fail with status 403.
func (c *Consul) DeleteToken(ctx context.Context, token ConsulToken) error {
	_, err := c.Client().ACL().TokenDelete(token.Accessor, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// WriteFile writes the secret to a file in one step, as what rotates tokens does.
func (t ConsulToken) WriteFile(path string) error {
	if err := os.WriteFile(path+".new", []byte(t.Secret+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
