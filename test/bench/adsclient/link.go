package adsclient

import "sync"

// Link is a connection that clients may share. It stands while at least one of them runs.
type Link struct {
	mu   sync.Mutex
	conn *conn
}

// take returns the connection, made by dial where there is none that takes streams. Who took it leaves it.
func (l *Link) take(dial func() (*conn, error)) (*conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil || !l.conn.takes() {
		c, err := dial()
		if err != nil {
			return nil, err
		}
		l.conn = c
	}
	l.conn.users++
	return l.conn, nil
}

// leave closes a connection behind the last.
func (l *Link) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	if l.conn == c {
		l.conn = nil
	}
	c.close()
}
