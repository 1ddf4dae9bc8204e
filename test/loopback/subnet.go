package loopback

import (
	"context"
	"fmt"
	"net"
	"os"
)

// guardPort is held on the first address of a subnet for as long as it is reserved.
const guardPort = 18000

// Subnet is a range of 254 loopback addresses that belongs to one test, so that
// servers run beside each other with the same ports. Nothing uses them as the
// source of a connection, so that their ports are never taken by chance.
type Subnet struct {
	guard  net.Listener
	prefix string
}

// Reserve finds a subnet that nobody else on this machine has. Close gives it back.
func Reserve(ctx context.Context) (*Subnet, error) {
	const second, third = 100, 250 // 127.100.0 to 127.199.249
	for n := range second * third {
		n = (n + os.Getpid()*97) % (second * third)
		prefix := fmt.Sprintf("127.%d.%d.", 100+n/third, n%third)
		guard, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("%s1:%d", prefix, guardPort))
		if err == nil {
			return &Subnet{guard: guard, prefix: prefix}, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("no loopback addresses are free from 127.100.0.1 to 127.199.249.1, port %d", guardPort)
}

// Prefix is what the addresses begin with, such as "127.100.7.".
func (s *Subnet) Prefix() string { return s.prefix }

// Addr is the address and port of a host of the subnet, 1 to 254.
func (s *Subnet) Addr(host, port int) string { return fmt.Sprintf("%s%d:%d", s.prefix, host, port) }

// Close gives the subnet back.
func (s *Subnet) Close() error { return s.guard.Close() }
