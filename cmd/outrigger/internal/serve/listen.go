package serve

import (
	"context"
	"fmt"
	"net"

	"outrigger.dev/outrigger/xds/debug"
)

// listeners are all the sockets of the server.
type listeners struct {
	xds, metrics, debug, csds net.Listener
	// peers is nil where no other machine may ask.
	peers net.Listener
}

// listen opens all sockets or none; place is the folder for those of this server alone.
func listen(ctx context.Context, c Config, place string) (*listeners, error) {
	l := &listeners{}
	err := l.open(ctx, c, place)
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *listeners) open(ctx context.Context, c Config, place string) (err error) {
	if l.xds, err = listenTCP(ctx, "--xds-listen", c.XDSListen); err != nil {
		return err
	}
	if l.metrics, err = listenTCP(ctx, "--metrics-listen", c.MetricsListen); err != nil {
		return err
	}
	if l.peers, err = listenPeers(ctx, c); err != nil {
		return err
	}
	if l.debug, err = debug.Listen(ctx, place, debug.SocketName); err != nil {
		return err
	}
	l.csds, err = debug.Listen(ctx, place, debug.CSDSSocketName)
	return err
}

func listenTCP(ctx context.Context, flag, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, address, err)
	}
	return listener, nil
}

// close closes what is open still; whoever served a listener may have closed it.
func (l *listeners) close() {
	for _, listener := range []net.Listener{l.xds, l.metrics, l.debug, l.csds, l.peers} {
		if listener != nil {
			_ = listener.Close()
		}
	}
}
