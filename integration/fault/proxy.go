package fault

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Options say between whom a proxy stands.
type Options struct {
	// Listen is the host and port that clients connect to; port 0 lets the system
	// choose one. Zero means 127.0.0.1:0.
	Listen string
	// Upstream is the host and port of the broker. It is dialled anew for every
	// client's connection, and need not be there before. It has no default.
	Upstream string
	// Seed is where the jitter of Delay begins. Each connection draws from a sequence
	// of its own, which depends on the seed and the connection's number alone.
	// Zero means the seed 0, so that every run draws the same.
	Seed uint64
}

// Proxy passes on what clients and a broker say, and harms it when told to. Its
// methods may be called concurrently; those that harm or heal run one after the
// other. Faults add up until Heal.
type Proxy struct {
	t        testing.TB
	addr     string
	upstream string
	seed     uint64
	rules    *rules
	swallows swallows

	control sync.Mutex // held while the proxy opens, cuts, heals or closes; taken before mu
	port    *port      // guarded by control, as is accepts
	accepts sync.WaitGroup

	mu      sync.Mutex
	links   map[*link]struct{}
	made    uint64 // links so far
	clients atomic.Int64
	runs    sync.WaitGroup // one for each link
}

// NewProxy returns a proxy that accepts connections. It is closed when the test
// ends. Wrong options, and a port that is taken, end the test.
func NewProxy(t testing.TB, o Options) *Proxy {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if _, _, err := net.SplitHostPort(o.Upstream); err != nil {
		t.Fatalf("fault: Options.Upstream: %v; give the broker's host and port", err)
	}
	port, err := claimPort(o.Listen)
	if err != nil {
		t.Fatalf("fault: listen on %s: %v", o.Listen, err)
	}
	p := &Proxy{
		t: t, addr: port.addr, upstream: o.Upstream, seed: o.Seed,
		rules: newRules(), port: port, links: map[*link]struct{}{},
	}
	t.Cleanup(p.Close)
	p.control.Lock()
	defer p.control.Unlock()
	p.open()
	return p
}

// Addr is the host and port that clients connect to. It stays the same.
func (p *Proxy) Addr() string { return p.addr }

// Open counts the connections that clients have open: accepted by the proxy, and
// closed by neither side. A client's connect may return a moment before it counts,
// and its close a moment before it does not; while a connection holds back 256 KiB
// the proxy does not see its close.
func (p *Proxy) Open() int { return int(p.clients.Load()) }

// Close ends every connection and returns when all goroutines of the proxy have
// ended. Calling it again does nothing.
func (p *Proxy) Close() {
	p.control.Lock()
	defer p.control.Unlock()
	p.shut(fin)
	p.port.release()
}

// open makes the port listen, unless it does. The caller holds control.
func (p *Proxy) open() {
	ln, err := p.port.listen()
	if err != nil {
		p.t.Errorf("fault: listen on %s: %v", p.addr, err)
	}
	if ln != nil {
		p.accepts.Go(func() { p.accept(ln) })
	}
}

// shut stops listening and ends every connection. The caller holds control.
func (p *Proxy) shut(how ending) {
	p.port.mute()
	p.accepts.Wait() // after which no link is added
	p.endAll(how)
	p.runs.Wait()
}

func (p *Proxy) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			if !isClosed(err) {
				p.t.Errorf("fault: accept on %s: %v; the proxy accepts nothing more until it is cut and healed", p.addr, err)
			}
			return
		}
		p.add(conn)
	}
}

func (p *Proxy) add(conn net.Conn) {
	client, ok := conn.(*net.TCPConn)
	if !ok {
		panic(fmt.Sprintf("fault: a TCP listener accepted a %T", conn))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	l := newLink(p, client, p.made)
	p.links[l] = struct{}{}
	p.clients.Add(1)
	p.runs.Go(func() {
		l.run()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	})
}

// endAll ends the links that there are, and returns when they have ended.
func (p *Proxy) endAll(how ending) {
	for _, l := range p.now() {
		l.end(how)
		<-l.over
	}
}

func (p *Proxy) now() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*link, 0, len(p.links))
	for l := range p.links {
		all = append(all, l)
	}
	return all
}

func (p *Proxy) dial(ctx context.Context) (*net.TCPConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.upstream)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("dialling %s gave a %T", p.upstream, conn)
	}
	return tcp, nil
}
