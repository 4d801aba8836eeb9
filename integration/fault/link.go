package fault

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// ending is how connections end.
type ending int

const (
	fin ending = iota // as a program that closes its connection
	rst               // as a program that was killed with something unread
)

// link is one connection of a client, and the one to the broker that belongs to it.
type link struct {
	proxy  *Proxy
	number uint64
	ctx    context.Context // ends with the link
	cancel context.CancelFunc
	over   chan struct{} // closed when run has returned

	mu     sync.Mutex
	client *net.TCPConn
	broker *net.TCPConn // nil until it is dialled
	ended  bool

	left   sync.Once             // the client's connection is closed
	tail   []byte                // of what the client has sent, for matches
	claim  atomic.Pointer[claim] // the reply of this connection that is to be swallowed
	silent atomic.Bool           // it was, and nothing passes any more
	cut    atomic.Bool           // the client was cut off, and the broker was not
	marked bool                  // the reply is known to be lost; used where replies are read
}

func newLink(p *Proxy, client *net.TCPConn, number uint64) *link {
	ctx, cancel := context.WithCancel(context.Background())
	return &link{proxy: p, number: number, ctx: ctx, cancel: cancel, over: make(chan struct{}), client: client}
}

// run returns when both connections are closed and nothing of the link goes on.
func (l *link) run() {
	defer close(l.over)
	defer l.end(fin)
	if !l.connect() {
		return
	}
	requests := newPipe(l.client, l.broker, l.proxy.rules, dice(l.proxy.seed, l.number, 0))
	requests.came, requests.pass, requests.ended = l.asked, l.forward, l.clientEnded
	replies := newPipe(l.broker, l.client, l.proxy.rules, dice(l.proxy.seed, l.number, 1))
	replies.came, replies.pass, replies.ended = l.answered, l.reply, l.brokerEnded
	var all sync.WaitGroup
	for _, p := range []*pipe{requests, replies} {
		all.Go(func() { p.read(l.ctx) })
		all.Go(func() { p.write(l.ctx) })
	}
	all.Wait()
}

// connect dials the broker, not before the proxy is thawed. The client of a broker
// that is not there is reset: it is connected already, and cannot be refused.
func (l *link) connect() bool {
	for r := l.proxy.rules.now(); r.frozen; r = l.proxy.rules.now() {
		select {
		case <-r.changed:
		case <-l.ctx.Done():
			return false
		}
	}
	broker, err := l.proxy.dial(l.ctx)
	if err != nil {
		l.end(rst)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		_ = broker.Close() // nothing was said
		return false
	}
	l.broker = broker
	return true
}

// end closes both connections, once. It may be called at any time.
func (l *link) end(how ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	for _, c := range []*net.TCPConn{l.client, l.broker} {
		if c != nil {
			closeConn(c, how)
		}
	}
	l.gone()
	l.cancel()
}

// gone counts the client's connection as closed.
func (l *link) gone() { l.left.Do(func() { l.proxy.clients.Add(-1) }) }

// asked is told what the client has sent.
func (l *link) asked(_ context.Context, c chunk) []chunk {
	if c.end != nil {
		l.gone()
		if l.cut.Load() {
			c.end = io.EOF // our own doing: the broker is told that the client has left, and no more
		}
	}
	return []chunk{c}
}

// clientEnded passes on that the client says nothing more, or could not be read.
func (l *link) clientEnded(c chunk) { l.oneEnded(c, l.broker) }

// brokerEnded passes on that the broker says nothing more, or that its reply is lost.
func (l *link) brokerEnded(c chunk) {
	if c.lost != nil {
		l.lose(c.lost)
		return
	}
	if !l.cut.Load() {
		l.oneEnded(c, l.client)
		return
	}
	l.end(fin)
}

func (l *link) oneEnded(c chunk, other *net.TCPConn) {
	switch {
	case l.silent.Load():
		l.end(fin)
	case errors.Is(c.end, io.EOF):
		if other.CloseWrite() != nil {
			l.end(fin)
		}
	default:
		l.end(rst) // as it was done to the proxy
	}
}

func closeConn(c *net.TCPConn, how ending) {
	if how == rst {
		_ = c.SetLinger(0) // fails on a closed connection only, which cannot be reset
	}
	_ = c.Close() // closing was all that was wanted
}
