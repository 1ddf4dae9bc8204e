package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"outrigger.dev/outrigger/test/cluster/binary"
	"outrigger.dev/outrigger/test/loopback"
	"outrigger.dev/outrigger/test/process"
)

// site is where one registry runs: a folder, and loopback addresses that nobody else has.
type site struct {
	dir    string
	subnet *loopback.Subnet
}

func newSite(ctx context.Context, name string) (*site, error) {
	subnet, err := loopback.Reserve(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "outrigger-"+name+"-")
	if err != nil {
		subnet.Close()
		return nil, err
	}
	return &site{dir: dir, subnet: subnet}, nil
}

func (s *site) close() error { return errors.Join(os.RemoveAll(s.dir), s.subnet.Close()) }

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// ip is the address of a host of the site, 2 to 254.
func (s *site) ip(host int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("%s%d", s.subnet.Prefix(), host))
}

func (s *site) write(name, text string) (path string, err error) {
	path = s.path(name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// start runs a program with its log in the site. It lives until it is killed:
// ctx does not end it, so that who starts one may limit how long that takes.
func (s *site) start(ctx context.Context, program, name string, args []string) (*process.Process, error) {
	path, err := binary.Path(program)
	if err != nil {
		return nil, err
	}
	return process.Start(context.WithoutCancel(ctx), process.Config{
		Path: path, Args: args, Dir: s.dir, Log: s.log(name),
	})
}

func (s *site) log(name string) string { return s.path(name + ".log") }
