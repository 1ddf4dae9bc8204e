package fault

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// Config says what Listen does.
type Config struct {
	// Address is the IPv4 address and port at which the proxy listens. Empty: any port of 127.0.0.1.
	Address string
	// Target is the address and port of the server.
	Target string
	// Keep is how many bytes of what each client sends are kept in the log. Zero: none.
	Keep int
	// TLS makes the log readable where the server has TLS. Nil: what is relayed is not understood.
	TLS *TLS
}

// Proxy is a running proxy. It begins with Pass. Its methods may be called from
// several goroutines.
type Proxy struct {
	cfg   Config
	port  *reservation
	dial  func() (net.Conn, error)
	greet func(net.Conn) (net.Conn, error)
	tasks sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	mode     Mode
	switched chan struct{} // closed when the mode changes
	noted    chan struct{} // closed when the log changes
	listener net.Listener  // nil: connections are refused
	conns    []*conn       // all that ever were
}

// Listen relays connections to the target until Close.
func Listen(cfg Config) (*Proxy, error) {
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	p := &Proxy{cfg: cfg, dial: cfg.dialPlain, greet: greetPlain, switched: make(chan struct{}), noted: make(chan struct{})}
	if cfg.TLS != nil {
		if err := p.understand(*cfg.TLS); err != nil {
			return nil, fmt.Errorf("fault proxy to %s: %w", cfg.Target, err)
		}
	}
	var err error
	if p.port, err = reserve(cfg.Address); err != nil {
		return nil, fmt.Errorf("fault proxy to %s: %w", cfg.Target, err)
	}
	if err := p.Set(Pass()); err != nil {
		return nil, errors.Join(err, p.port.close())
	}
	return p, nil
}

// TB is the part of testing.TB that Start needs.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

// Start is Listen for one test, on any port of 127.0.0.1.
func Start(tb TB, target string) *Proxy {
	tb.Helper()
	p, err := Listen(Config{Target: target})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// Addr is the address and port at which the proxy listens.
func (p *Proxy) Addr() string { return p.port.at.String() }

// Set changes the mode. When it returns, the mode holds for all that comes.
func (p *Proxy) Set(mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return net.ErrClosed
	}
	p.mode = mode
	for _, c := range p.conns {
		c.allow(mode.after)
	}
	close(p.switched)
	p.switched = make(chan struct{})
	if mode.kind == cut {
		p.refuse()
		p.dropAll()
		return nil
	}
	return p.accepting()
}

// Drop resets all open connections; new ones are treated as the mode says.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropAll()
}

// Close ends the proxy and its connections, and waits for its goroutines.
func (p *Proxy) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.refuse()
	p.dropAll()
	// The only error is that it is closed.
	_ = p.port.close()
	p.mu.Unlock()
	p.tasks.Wait()
}

// accepting listens, unless the proxy does already.
func (p *Proxy) accepting() error {
	if p.listener != nil {
		return nil
	}
	listener, err := p.port.listen()
	if err != nil {
		return fmt.Errorf("fault proxy to %s: %w", p.cfg.Target, err)
	}
	p.listener = listener
	p.tasks.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) refuse() {
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

func (p *Proxy) dropAll() {
	for _, c := range p.conns {
		c.drop()
	}
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.tasks.Go(func() { p.serve(client) })
		}
	}
}
