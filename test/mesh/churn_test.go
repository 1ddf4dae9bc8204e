package mesh_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/rig"
)

// churnRequests is how many requests TestChurnUnderLoad sends at least. -timeout must leave room for many.
var churnRequests = flag.Int("churn-requests", 10_000, "how many requests to send while the mesh churns")

const (
	churnPort   = 12000 // of the client: the listeners that come and go are from here on
	churnLive   = 20    // how many services come and go
	churnEvery  = 50 * time.Millisecond
	restartEach = 60 // steps of churn between two crashes of the control plane
	stablePorts = 3
)

// churn is a mesh in which everything but the path of the load changes all the time.
type churn struct {
	*rig.Loopback
	live     []string // the services that come and go, the oldest first
	born     int
	visitors sync.WaitGroup
	mu       sync.Mutex
	visited  int
	failures []string
}

// TestChurnUnderLoad: services come and go, endpoints drain and return, routes change hands, the control plane is killed; no
// request fails, neither over old connections nor over new ones, and what is added works from its first connection on.
func TestChurnUnderLoad(t *testing.T) {
	c := &churn{Loopback: newRig(t, nil)}
	for _, host := range []int{20, 21} {
		servePage(t, c.Addr(host, portHTTP+1000), fmt.Sprint("server-", host))
	}
	c.serve(t, 20, "")
	c.serve(t, 21, "")
	c.Put(t, "stable.yaml", c.stable(""))
	c.listeners(t)
	for _, workload := range []string{"server-20", "server-21", "client"} {
		c.Join(t, rig.Who(workload))
	}
	var loads []*load.Load
	for i := range stablePorts {
		l := load.Start(t.Context(), load.Config{URL: "http://" + c.Addr(clientHost, portHTTP+i), Workers: 4, Pause: time.Millisecond})
		defer l.Stop()
		loads = append(loads, l)
	}
	c.run(t, loads)
	c.visitors.Wait()
	sent := 0
	for _, l := range loads {
		report := l.Stop()
		sent += len(report.Requests)
		if err := report.Err(); err != nil {
			t.Error(err)
		}
	}
	for _, failure := range c.failures {
		t.Error(failure)
	}
	t.Logf("%d requests while %d services came and went, of which %d were called at once", sent, c.born, c.visited)
	if c.visited < c.born/2 {
		t.Errorf("only %d of %d services were reached while they were there", c.visited, c.born)
	}
}

// run lets the mesh churn until enough requests were sent.
func (c *churn) run(t *testing.T, loads []*load.Load) {
	t.Helper()
	tick := time.NewTicker(churnEvery)
	defer tick.Stop()
	for step := 1; c.sent(loads) < *churnRequests || c.born < 2*churnLive; step++ {
		<-tick.C
		c.replace(t)
		if step%10 == 0 {
			health := []string{"Draining", ""}[step/10%2]
			c.serve(t, 21, health)
			c.Put(t, "stable.yaml", c.stable(fmt.Sprint("v", step)))
		}
		if step%restartEach == 0 {
			c.KillServer()
			if err := c.StartServer(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (c *churn) sent(loads []*load.Load) int {
	n := 0
	for _, l := range loads {
		n += l.Sent()
	}
	return n
}

// serve writes a workload that all services select.
func (c *churn) serve(t *testing.T, host int, health string) {
	t.Helper()
	name := fmt.Sprint("server-", host)
	w := wlSpec{name: name, app: "server", host: host, sidecar: true, ports: []int{portHTTP}, health: health}
	c.Put(t, name+".yaml", w.yaml())
}

// stable returns the services under load. What marks them changes their objects and nothing else.
func (c *churn) stable(mark string) string {
	text := ""
	for i := range stablePorts {
		text += service(fmt.Sprint("stable-", i), "server", svcPort{80, portHTTP, "http"})
	}
	return text + "# " + mark + "\n"
}

// replace adds a service with a listener, and removes the oldest when there are enough.
func (c *churn) replace(t *testing.T) {
	t.Helper()
	name := fmt.Sprint("churn-", c.born)
	port := c.port(name)
	c.born++
	c.live = append(c.live, name)
	c.Put(t, name+".yaml", service(name, "server", svcPort{80, portHTTP, "http"}))
	gone := ""
	if len(c.live) > churnLive {
		gone, c.live = c.live[0], c.live[1:]
	}
	c.listeners(t)
	if gone != "" {
		c.Drop(t, gone+".yaml")
	}
	c.visitors.Go(func() { c.visit(t.Context(), c.Addr(clientHost, port)) })
}

// port is the client's port for a service; it is used again only after many others.
func (c *churn) port(name string) int {
	var n int
	// The names are our own.
	_, _ = fmt.Sscanf(name, "churn-%d", &n)
	return churnPort + n%2000
}

// listeners writes what the client listens for.
func (c *churn) listeners(t *testing.T) {
	t.Helper()
	var all []egress
	for i := range stablePorts {
		all = append(all, egress{portHTTP + i, fmt.Sprint("stable-", i), 80})
	}
	for _, name := range c.live {
		all = append(all, egress{c.port(name), name, 80})
	}
	c.Put(t, "client.yaml", client(all...))
}

// visit sends one request as soon as a listener lets somebody in. It may have gone before: they live for a second.
func (c *churn) visit(ctx context.Context, address string) {
	life := time.Duration(churnLive) * churnEvery
	ctx, cancel := context.WithTimeout(ctx, life/2)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	once := load.Once(context.WithoutCancel(ctx), "http://"+address)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.visited++
	if once.Failed() {
		c.failures = append(c.failures, address+": "+once.String())
	}
}
