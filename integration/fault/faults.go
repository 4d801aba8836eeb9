package fault

import "time"

// Cut closes every connection and refuses new ones until Heal: nothing listens on
// the port, which stays the proxy's. On return the connections are closed, with a
// RST where something was unread, as a broker's are that is stopped.
func (p *Proxy) Cut() {
	p.control.Lock()
	defer p.control.Unlock()
	p.shut(fin)
}

// Reset ends every connection that is open with a RST, on both sides. On return it
// has happened; what was under way is lost. New connections are not touched.
func (p *Proxy) Reset() {
	p.control.Lock()
	defer p.control.Unlock()
	p.endAll(rst)
}

// Delay holds back whatever is said, in each direction, for d plus or minus up to
// jitter, so that a round trip takes twice as long. Order is kept. A jitter greater
// than d never makes a delay negative.
func (p *Proxy) Delay(d, jitter time.Duration) {
	p.rules.change(func(r *rule) { r.delay, r.jitter = d, jitter })
}

// Throttle lets at most so many bytes a second pass, on each connection and in each
// direction, without a burst: in pieces of a twentieth of it. Zero is no bound.
func (p *Proxy) Throttle(bytesPerSecond int) {
	p.rules.change(func(r *rule) { r.rate = max(0, bytesPerSecond) })
}

// Freeze makes every connection half-open: nothing passes, in neither direction, no
// close either; new connections are accepted, and the broker does not see them. Heal
// lets all of it go on, as a network does that comes back: nothing is lost. What is
// being written at the moment of the call may still pass.
func (p *Proxy) Freeze() {
	p.rules.change(func(r *rule) { r.frozen = true })
}

// SwallowReply loses one reply. Of the first connection on which the client sends
// the bytes of match from now on, in one piece or in many, the request reaches the
// broker; what the broker answers does not reach the client, and then the connection
// is cut or goes silent. The channel is closed when that has happened, and never if
// the proxy is healed or the connection ends before. It happens once; calls add up, and
// each takes a request of its own, on connections that have lost none.
//
// The proxy does not know which reply belongs to which request. What it has read from
// the broker before it sends the match is passed on; all that it reads afterwards is
// dropped, so with pipelining replies to earlier requests may be lost too, and the
// first of them ends the connection: with ThenCut, what the client sends after that
// does not arrive, and be it the rest of the same request. An empty match is that of
// whatever is sent next.
func (p *Proxy) SwallowReply(match string, then Then) <-chan struct{} {
	return p.swallows.add(&swallow{match: []byte(match), then: then}).done
}

// SwallowRequest is like SwallowReply with ThenSilence, but the request does not reach the broker either: at most
// what came of it in earlier pieces than the end of match. The channel is closed when it has come to the proxy.
func (p *Proxy) SwallowRequest(match string) <-chan struct{} {
	return p.swallows.add(&swallow{match: []byte(match), then: ThenSilence, request: true}).done
}

// Heal removes every fault: what was held back passes, the port listens again,
// swallows that have found no request are forgotten. Connections on which one has
// found its request are closed, since they cannot go on. On return clients can connect;
// if the port cannot be listened on, the test fails.
func (p *Proxy) Heal() {
	p.control.Lock()
	defer p.control.Unlock()
	p.swallows.clear()
	p.rules.change(func(r *rule) { *r = rule{changed: r.changed} })
	for _, l := range p.now() {
		if l.claim.Load() != nil {
			l.end(fin)
			<-l.over
		}
	}
	p.open()
}
