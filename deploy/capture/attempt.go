package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// dialLimit is how long a connection of the check may take. Nothing leaves the machine.
	dialLimit = 2 * time.Second
	// arriveLimit is how long the kernel may take to set up a link, and to show a connection that its client has.
	arriveLimit = time.Second
	lookEvery   = 5 * time.Millisecond
)

var errNowhere = errors.New("somebody answered, and no socket of either end shows who")

// attempt is one connection, and where it has to arrive.
type attempt struct {
	who     string
	user    uint32
	outside bool       // it is made outside
	from    netip.Addr // its source; zero: the kernel's choice
	to      netip.AddrPort

	want        uint16
	wantOutside bool
}

func (a attempt) String() string {
	from := ""
	if a.from.IsValid() {
		from = " from " + a.from.String()
	}
	return fmt.Sprintf("%s (user %d) connects%s to %s", a.who, a.user, from, a.to)
}

// connect makes the connection and looks where it is.
func (p *prober) connect(ctx context.Context, a attempt) Finding {
	conn, err := p.dial(ctx, a)
	if errors.Is(err, errNoUsers) {
		return Finding{Result: Untried, Detail: err.Error()}
	}
	if err != nil {
		return Finding{Result: Failed, Detail: fmt.Sprintf("%s: %v", a, err)}
	}
	defer conn.Close()
	port, outside, err := p.locate(ctx, conn.LocalAddr().(*net.TCPAddr).AddrPort())
	if errors.Is(err, errNowhere) {
		return Finding{Result: Failed, Detail: fmt.Sprintf("%s: %v", a, err)}
	}
	if err != nil {
		return Finding{Result: Untried, Detail: fmt.Sprintf("%s: %v", a, err)}
	}
	f := Finding{Result: Proven, Detail: fmt.Sprintf("%s, and arrives at port %d", a, port)}
	if outside {
		f.Detail += " outside"
	}
	if port != a.want || outside != a.wantOutside {
		f.Result = Failed
		f.Detail += fmt.Sprintf(", which should be %d", a.want)
	}
	return f
}

func (p *prober) dial(ctx context.Context, a attempt) (conn net.Conn, err error) {
	dialer := net.Dialer{Timeout: dialLimit}
	if a.from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.from, 0))
	}
	dial := func() error {
		return asUser(a.user, func() error {
			conn, err = dialer.DialContext(ctx, "tcp", a.to.String())
			return err
		})
	}
	if a.outside {
		err = p.wire.outside.Do(dial)
	} else {
		err = dial()
	}
	return conn, err
}

// locate returns the port at which a client's connection arrived, and on which end of the wire.
func (p *prober) locate(ctx context.Context, client netip.AddrPort) (port uint16, outside bool, err error) {
	client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
	ctx, cancel := context.WithTimeout(ctx, arriveLimit)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		port, found, err := arrivedAt(client)
		if found || err != nil {
			return port, false, err
		}
		err = p.wire.outside.Do(func() (err error) {
			port, found, err = arrivedAt(client)
			return err
		})
		if found || err != nil {
			return port, true, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, false, errNowhere
		}
	}
}
