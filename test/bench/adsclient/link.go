package adsclient

import (
	"sync"

	"google.golang.org/grpc"
)

// Link is a connection that clients may share. It stands while at least one of them runs.
type Link struct {
	mu    sync.Mutex
	conn  *grpc.ClientConn
	users int
}

// take returns the connection, made by dial where there is none. Who took it leaves it.
func (l *Link) take(dial func() (*grpc.ClientConn, error)) (*grpc.ClientConn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		conn, err := dial()
		if err != nil {
			return nil, err
		}
		l.conn = conn
	}
	l.users++
	return l.conn, nil
}

// leave closes the connection behind the last.
func (l *Link) leave() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users > 0 {
		return nil
	}
	conn := l.conn
	l.conn = nil
	return conn.Close()
}
